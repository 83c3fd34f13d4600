"""`hilum login` in all its forms against a running server, what it keeps, and `hilum logout`."""

import json
import re
import stat
import subprocess

import pytest

from conftest import Certificate
from server import ADMIN_PASSWORD, binary
from test_cli_scripts import Shell, approve
from test_delegated import AZURE_CLI

APPLICATION_READ_ALL = "9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30"
GRAPH = "00000003-0000-0000-c000-000000000000"


class Elsewhere(Shell):
    """Somebody with an account folder of their own and no data directory."""

    def __init__(self, server, folder):
        super().__init__(folder, {"URL": server.url, "CA": server.ca, "TENANT": server.tenant})
        self.server = server

    @property
    def file(self):
        return self.folder / ".config" / "hilum" / "accounts.json"

    def login(self, words, input=None):
        line = [binary(), "login", "--server", self.server.url, "--ca", self.server.ca, *words]
        return subprocess.run(line, cwd=self.folder, env=self.environment, input=input, capture_output=True,
                              text=True, timeout=120)

    def fails(self, script):
        done = subprocess.run(["bash", "-c", script], cwd=self.folder, env=self.environment, capture_output=True,
                              text=True, timeout=120, stdin=subprocess.DEVNULL)
        assert done.returncode != 0, f"{script}\n{done.stdout}"
        return done.stderr

    def works(self):
        """The account lists applications through the API; its file is nobody else's."""
        assert self.run("az app list --query '[0].appId' -o tsv")
        assert stat.S_IMODE(self.file.stat().st_mode) == 0o600
        assert stat.S_IMODE(self.file.parent.stat().st_mode) == 0o700

    def accounts(self):
        return json.loads(self.file.read_text())["accounts"]

    def age(self):
        """The kept access tokens come to their end."""
        document = json.loads(self.file.read_text())
        for account in document["accounts"]:
            for token in account["tokens"]:
                token["expiresOn"] = 1
        self.file.write_text(json.dumps(document))

    def token(self):
        return self.run("az account get-access-token --resource https://graph.microsoft.com --query accessToken -o tsv")


@pytest.fixture
def elsewhere(server, tmp_path):
    return Elsewhere(server, tmp_path)


@pytest.fixture(scope="module")
def reader(server):
    """A service client that may read all applications."""
    client = server.register("login", role=None)
    server.command("app", "permission", "add", "--id", client.app_id, "--api", GRAPH,
                   "--api-permissions", APPLICATION_READ_ALL + "=Role", "--only-show-errors")
    server.command("app", "permission", "admin-consent", "--id", client.app_id)
    return client


@pytest.fixture
def passwords(server):
    """The command line's own client may take passwords while a test runs: an administrator's decision."""
    server.command("app", "update", "--id", AZURE_CLI, "--set", "allowPasswordGrant=true")
    yield
    server.command("app", "update", "--id", AZURE_CLI, "--set", "allowPasswordGrant=false")


def renews(elsewhere):
    before = elsewhere.token()
    assert elsewhere.token() == before, "a token is kept while it is good"
    elsewhere.age()
    after = elsewhere.token()
    assert after != before
    elsewhere.works()


def leaves(elsewhere):
    elsewhere.run("az logout")
    assert elsewhere.accounts() == []
    assert "hilum login" in elsewhere.fails("az account show")


def test_with_a_password(server, elsewhere, passwords):
    admin = server.account["adminUserPrincipalName"]
    done = elsewhere.login(["-u", admin, "-p", ADMIN_PASSWORD])
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[-1]["user"] == {"name": admin, "type": "user"}
    elsewhere.works()
    assert ADMIN_PASSWORD not in elsewhere.file.read_text() + done.stdout + done.stderr
    renews(elsewhere)
    leaves(elsewhere)


def test_with_a_password_from_standard_input(server, elsewhere, passwords):
    done = elsewhere.login(["-u", server.account["adminUserPrincipalName"], "-p", "-"], input=ADMIN_PASSWORD + "\n")
    assert done.returncode == 0, done.stderr
    elsewhere.works()


def test_a_wrong_password_is_told_and_leaves_no_account(server, elsewhere, passwords):
    done = elsewhere.login(["-u", server.account["adminUserPrincipalName"], "-p", "wrong"])
    assert done.returncode != 0 and "AADSTS50126" in done.stderr, done.stderr
    assert not elsewhere.file.exists()


def test_passwords_are_refused_until_an_administrator_allows_them(server, elsewhere):
    done = elsewhere.login(["-u", server.account["adminUserPrincipalName"], "-p", ADMIN_PASSWORD])
    assert done.returncode != 0 and "AADSTS" in done.stderr, done.stderr
    assert not elsewhere.file.exists()


def test_with_a_secret(server, elsewhere, reader):
    done = elsewhere.login(["--service-principal", "-u", reader.app_id, "-p", reader.secret, "--tenant", server.tenant])
    assert done.returncode == 0, done.stderr
    elsewhere.works()
    assert "Insufficient privileges" in elsewhere.fails("az app create --display-name no"), "it may read only"
    renews(elsewhere)
    leaves(elsewhere)


def test_with_a_certificate(server, elsewhere, reader, tmp_path):
    certificate = Certificate(tmp_path)
    server.json("app", "credential", "reset", "--id", reader.app_id, "--append", "--cert", f"@{certificate.public_file}")
    words = ["--service-principal", "-u", reader.app_id, "--certificate", str(certificate.file)]
    done = elsewhere.login([*words, "--tenant", server.tenant])
    assert done.returncode == 0, done.stderr
    elsewhere.works()
    assert "PRIVATE KEY" not in elsewhere.file.read_text()
    renews(elsewhere)
    # The key is read again for each token: without it, nothing is renewed.
    certificate.file.unlink()
    elsewhere.age()
    assert str(certificate.file) in elsewhere.fails("az app list")
    leaves(elsewhere)


def device_login(server, elsewhere):
    words = [binary(), "login", "--server", server.url, "--ca", server.ca, "--use-device-code"]
    login = subprocess.Popen(words, cwd=elsewhere.folder, env=elsewhere.environment, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        approve(server, re.search(r"code (\S+) to", login.stderr.readline()).group(1))
        _, err = login.communicate(timeout=60)
    finally:
        login.kill()
    assert login.returncode == 0, err


def test_with_a_device_code(server, elsewhere):
    device_login(server, elsewhere)
    elsewhere.works()
    renews(elsewhere)
    leaves(elsewhere)


def test_a_session_that_was_ended_is_told(server, elsewhere):
    device_login(server, elsewhere)
    elsewhere.works()
    document = json.loads(elsewhere.file.read_text())
    credential = document["accounts"][0]["credential"]
    credential["refreshToken"] = credential["refreshToken"][:-6] + "AAAAAA"
    elsewhere.file.write_text(json.dumps(document))
    elsewhere.age()
    assert "hilum login" in elsewhere.fails("az app list")


def test_a_file_that_others_can_read_is_refused(server, elsewhere, reader):
    elsewhere.login(["--service-principal", "-u", reader.app_id, "-p", reader.secret, "--tenant", server.tenant])
    elsewhere.file.chmod(0o644)
    assert "accounts.json" in elsewhere.fails("az app list")
