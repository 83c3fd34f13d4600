"""Workload identity federation: another issuer's token in place of a secret, through azure-identity and over the wire."""

import json
import time

import jwt
import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ClientAssertionCredential, WorkloadIdentityCredential
from azure.identity.aio import ClientAssertionCredential as AioClientAssertionCredential

from issuer import Issuer, new_key
from server import DICOM_SCOPE

AUDIENCE = "api://AzureADTokenExchange"
SUBJECT = "system:serviceaccount:imaging:archive"
CONFIG = """
[[identity.federated_issuers]]
issuer = "{issuer}"
allow_http_loopback = true
"""


@pytest.fixture(scope="module")
def stranger():
    issuer = Issuer()
    yield issuer
    issuer.close()


@pytest.fixture(scope="module")
def federated(own_server, issuer, tmp_path_factory):
    config = tmp_path_factory.mktemp("config") / "hilum.toml"
    config.write_text(CONFIG.format(issuer=issuer.url))
    return own_server(config=config)


def trust(server, client, issuer, name="cluster"):
    parameters = {"name": name, "issuer": issuer.url, "subject": SUBJECT, "audiences": [AUDIENCE]}
    server.json("app", "federated-credential", "create", "--id", client.app_id, "--parameters", json.dumps(parameters))


@pytest.fixture(scope="module")
def workload(federated, issuer, stranger):
    client = federated.register("workload", secret=False)
    trust(federated, client, issuer)
    trust(federated, client, stranger, "stranger")
    return client


@pytest.fixture
def azure(federated, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", federated.ca)
    return {"authority": federated.url, "disable_instance_discovery": True, "connection_verify": federated.ca}


def assertion(issuer, **changes):
    return issuer.token(**({"aud": AUDIENCE, "sub": SUBJECT} | changes))


def is_accepted(server, token):
    answer = server.session(token).get(
        server.dicom + "/studies?limit=1", headers={"Accept": "application/dicom+json"}, timeout=30)
    return answer.status_code in (200, 204)


def test_azure_identity_with_an_assertion(federated, workload, issuer, azure):
    credential = ClientAssertionCredential(federated.tenant, workload.app_id, lambda: assertion(issuer), **azure)
    token = credential.get_token(DICOM_SCOPE).token
    assert jwt.decode(token, options={"verify_signature": False})["appidacr"] == "2"
    assert is_accepted(federated, token)


def test_azure_identity_aio_with_an_assertion(federated, workload, issuer, azure):
    import asyncio

    async def get():
        credential = AioClientAssertionCredential(
            federated.tenant, workload.app_id, lambda: assertion(issuer), **azure)
        async with credential:
            return (await credential.get_token(DICOM_SCOPE)).token

    assert is_accepted(federated, asyncio.run(get()))


def test_azure_workload_identity(federated, workload, issuer, azure, tmp_path):
    file = tmp_path / "token"
    file.write_text(assertion(issuer))
    credential = WorkloadIdentityCredential(
        tenant_id=federated.tenant, client_id=workload.app_id, token_file_path=str(file), **azure)
    assert is_accepted(federated, credential.get_token(DICOM_SCOPE).token)


def test_azure_identity_reports_why_not(federated, workload, issuer, azure):
    wrong = ClientAssertionCredential(
        federated.tenant, workload.app_id, lambda: assertion(issuer, sub="somebody else"), **azure)
    with pytest.raises(ClientAuthenticationError, match="AADSTS700213"):
        wrong.get_token(DICOM_SCOPE)


def ask(server, client, text):
    return server.ask_token(
        client, client_secret=None, client_assertion=text,
        client_assertion_type="urn:ietf:params:oauth:client-assertion-type:jwt-bearer")


def past(seconds):
    return int(time.time()) - seconds


BAD = {
    "another audience": (lambda issuer: assertion(issuer, aud="https://elsewhere"), 700212),
    "another issuer": (lambda issuer: assertion(issuer, iss="https://elsewhere.example"), 700211),
    "expired": (lambda issuer: assertion(issuer, exp=past(3600), iat=past(7200), nbf=past(7200)), 700024),
    "without expiry": (lambda issuer: assertion(issuer, exp=None), 50027),
    "for more than a day": (lambda issuer: assertion(issuer, exp=past(-100000)), 700024),
    "another key": (lambda issuer: assertion(issuer, key=new_key()), 700027),
    "a key nobody published": (lambda issuer: assertion(issuer, key=new_key(), kid="unknown"), 700027),
    "alg none": (lambda issuer: issuer.unsigned(), 50027),
    "HS256 over the public key": (lambda issuer: issuer.with_public_key_as_secret(), 50027),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_assertions(federated, workload, issuer, name):
    make, code = BAD[name]
    answer = ask(federated, workload, make(issuer))
    assert answer.json()["error_codes"] == [code], answer.text


def test_an_issuer_that_only_an_owner_named_is_never_asked(federated, workload, stranger):
    answer = ask(federated, workload, assertion(stranger))
    assert answer.json()["error_codes"] == [700211], answer.text
    assert "identity.federated_issuers" in answer.json()["error_description"]
    assert stranger.key_requests == 0
