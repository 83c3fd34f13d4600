"""One running server per database for the whole run; tests register their own clients and use their own UIDs."""

import datetime
import os

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from issuer import Issuer
from server import Server, new_postgres_database

JSON = {"Accept": "application/dicom+json"}

# requests prefers these to `verify=` of a session, and the tests trust the server's own CA alone.
for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"):
    os.environ.pop(variable, None)


def database_url(kind):
    """None for SQLite inside the data directory, else a fresh PostgreSQL database."""
    if kind == "sqlite":
        return None
    base = os.environ.get("HILUM_TEST_POSTGRES_URL")
    if not base:
        pytest.skip("HILUM_TEST_POSTGRES_URL is not set; `cargo xtask test clients` sets it")
    return new_postgres_database(base)


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def server(request, tmp_path_factory):
    running = Server(tmp_path_factory.mktemp("hilum") / "data", database_url(request.param)).init().start()
    yield running
    assert running.is_running(), "the server died during the tests:\n" + running.log_tail()
    running.stop()


@pytest.fixture(scope="session")
def own_server(tmp_path_factory):
    """Makes servers that a test may kill; for what does not differ by database."""
    made = []

    def make(start=True, database=None, **options):
        server = Server(tmp_path_factory.mktemp("own") / "data", database, **options)
        made.append(server)
        server.init()
        return server.start() if start else server

    yield make
    for server in made:
        server.kill()


@pytest.fixture(scope="module")
def issuer():
    """An OpenID Connect issuer that is not Hilum."""
    issuer = Issuer()
    yield issuer
    issuer.close()


@pytest.fixture(scope="session")
def owner(server):
    """A service client that may do everything."""
    return server.register("tests owner")


@pytest.fixture
def api(server, owner):
    """An HTTP session with the owner's token."""
    return server.session(server.token(owner))


class Certificate:
    """A self-signed certificate with its key, in the forms that clients want."""

    def __init__(self, folder, name="hilum test client"):
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.datetime.now(datetime.timezone.utc)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(days=30))
            .sign(key, hashes.SHA256())
        )
        self.key = key
        self.private_pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()
        self.public_pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
        self.sha1 = certificate.fingerprint(hashes.SHA1()).hex().upper()
        self.public_file = folder / "certificate.pem"
        self.public_file.write_text(self.public_pem)
        self.file = folder / "certificate-and-key.pem"
        self.file.write_text(self.private_pem + self.public_pem)


@pytest.fixture(scope="session")
def certificate_client(server, tmp_path_factory):
    """A service client that signs in with a certificate and has no secret."""
    client = server.register("tests certificate", secret=False)
    client.certificate = Certificate(tmp_path_factory.mktemp("certificate"))
    server.json("app", "credential", "reset", "--id", client.app_id, "--append",
                "--cert", f"@{client.certificate.public_file}")
    return client
