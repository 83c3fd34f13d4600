"""Tokens through the libraries that people use: MSAL, azure-identity, curl."""

import base64
import json
import subprocess
import time

import jwt
import msal
import pytest
import requests
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import CertificateCredential, ClientSecretCredential
from azure.identity.aio import CertificateCredential as AioCertificateCredential
from azure.identity.aio import ClientSecretCredential as AioClientSecretCredential

from server import DICOM_APP_ID, DICOM_RESOURCE, DICOM_SCOPE, CommandFailed
from tokens import claims, is_accepted


def verified(server, token):
    """The claims, after a check of the signature with the published keys."""
    session = server.session()
    discovery = session.get(f"{server.authority}/v2.0/.well-known/openid-configuration").json()
    keys = jwt.PyJWKSet.from_dict(session.get(discovery["jwks_uri"]).json())
    key = keys[jwt.get_unverified_header(token)["kid"]]
    return jwt.decode(token, key, algorithms=["RS256"], audience=DICOM_RESOURCE, leeway=5)


def msal_app(server, client, credential, authority=None):
    return msal.ConfidentialClientApplication(
        client.app_id,
        client_credential=credential,
        authority=authority or server.authority,
        instance_discovery=False,
        verify=server.ca,
    )


# --- MSAL ---------------------------------------------------------------------------------------------------------


def test_msal_with_a_secret(server, owner):
    result = msal_app(server, owner, owner.secret).acquire_token_for_client([DICOM_SCOPE])
    assert "access_token" in result, result
    assert 0 < int(result["expires_in"]) <= 24 * 3600
    found = verified(server, result["access_token"])
    # Azure API for DICOM asks for version 1.0 tokens, whichever endpoint made them.
    assert found["ver"] == "1.0"
    assert found["iss"] == f"{server.authority}/"
    assert found["aud"] == DICOM_RESOURCE
    assert found["appid"] == owner.app_id
    assert found["oid"] == found["sub"] == owner.service_principal_id
    assert found["tid"] == server.tenant
    assert found["idtyp"] == "app"
    assert "DICOM Data Owner" in found["roles"]
    assert "scp" not in found
    assert is_accepted(server, result["access_token"])


def test_msal_finds_the_tenant_by_its_domain_too(server, owner):
    app = msal_app(server, owner, owner.secret, f"{server.url}/{server.account['domain']}")
    result = app.acquire_token_for_client([DICOM_SCOPE])
    assert "access_token" in result, result
    assert claims(result["access_token"])["tid"] == server.tenant


def test_msal_with_a_certificate_by_sha1_thumbprint(server, certificate_client):
    certificate = certificate_client.certificate
    credential = {"private_key": certificate.private_pem, "thumbprint": certificate.sha1}
    result = msal_app(server, certificate_client, credential).acquire_token_for_client([DICOM_SCOPE])
    assert "access_token" in result, result
    assert claims(result["access_token"])["appidacr"] == "2"


def test_msal_with_a_certificate_and_its_public_part(server, certificate_client):
    certificate = certificate_client.certificate
    credential = {"private_key": certificate.private_pem, "public_certificate": certificate.public_pem}
    result = msal_app(server, certificate_client, credential).acquire_token_for_client([DICOM_SCOPE])
    assert "access_token" in result, result
    assert is_accepted(server, result["access_token"])


def test_msal_reports_a_wrong_secret(server, owner):
    result = msal_app(server, owner, "not-the-secret").acquire_token_for_client([DICOM_SCOPE])
    assert result["error"] == "invalid_client"
    assert result["error_codes"] == [7000215]


# --- azure-identity -------------------------------------------------------------------------------------------------


@pytest.fixture
def azure(server, monkeypatch):
    # The aio transport reads the trust store from the environment as well.
    monkeypatch.setenv("SSL_CERT_FILE", server.ca)
    return {"authority": server.url, "disable_instance_discovery": True, "connection_verify": server.ca}


def test_azure_identity_with_a_secret(server, owner, azure):
    token = ClientSecretCredential(server.tenant, owner.app_id, owner.secret, **azure).get_token(DICOM_SCOPE)
    assert is_accepted(server, token.token)


def test_azure_identity_with_continuous_access_evaluation(server, owner, azure):
    credential = ClientSecretCredential(server.tenant, owner.app_id, owner.secret, **azure)
    assert is_accepted(server, credential.get_token(DICOM_SCOPE, enable_cae=True).token)


@pytest.mark.parametrize("chain", [False, True])
def test_azure_identity_with_a_certificate(server, certificate_client, azure, chain):
    credential = CertificateCredential(
        server.tenant,
        certificate_client.app_id,
        str(certificate_client.certificate.file),
        send_certificate_chain=chain,
        **azure,
    )
    assert is_accepted(server, credential.get_token(DICOM_SCOPE).token)


def test_azure_identity_reports_a_wrong_secret(server, owner, azure):
    with pytest.raises(ClientAuthenticationError, match="AADSTS7000215"):
        ClientSecretCredential(server.tenant, owner.app_id, "wrong", **azure).get_token(DICOM_SCOPE)


async def aio_token(credential):
    async with credential:
        return (await credential.get_token(DICOM_SCOPE)).token


def test_azure_identity_aio_with_a_secret(server, owner, azure):
    import asyncio

    token = asyncio.run(aio_token(AioClientSecretCredential(server.tenant, owner.app_id, owner.secret, **azure)))
    assert is_accepted(server, token)


def test_azure_identity_aio_with_a_certificate(server, certificate_client, azure):
    import asyncio

    # Signs with PS256 and pads all three segments of the assertion.
    file = str(certificate_client.certificate.file)
    token = asyncio.run(
        aio_token(AioCertificateCredential(server.tenant, certificate_client.app_id, file, **azure))
    )
    assert claims(token)["appidacr"] == "2"
    assert is_accepted(server, token)


# --- curl ---------------------------------------------------------------------------------------------------------


def curl(server, *args):
    """Runs curl with the server's CA; the answer as JSON."""
    done = subprocess.run(
        ["curl", "--silent", "--show-error", "--cacert", server.ca, *args], capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_curl_with_the_secret_in_the_body(server, owner):
    answer = curl(
        *(server, "-X", "POST", server.token_url, "-H", "Content-Type: application/x-www-form-urlencoded"),
        *("-d", f"client_id={owner.app_id}", "-d", f"scope={DICOM_SCOPE}"),
        *("--data-urlencode", f"client_secret={owner.secret}", "-d", "grant_type=client_credentials"),
    )
    assert answer["token_type"] == "Bearer"
    # RFC 6749 §4.4.3 allows more, Entra sends no more.
    assert set(answer) == {"token_type", "expires_in", "ext_expires_in", "access_token"}
    assert is_accepted(server, answer["access_token"])


def test_curl_with_basic_authentication(server, owner):
    answer = curl(
        *(server, "--user", f"{owner.app_id}:{owner.secret}", server.token_url),
        *("-d", "grant_type=client_credentials", "-d", f"scope={DICOM_SCOPE}"),
    )
    assert is_accepted(server, answer["access_token"])


def test_curl_with_the_v1_endpoint_and_resource(server, owner):
    answer = curl(
        *(server, f"{server.authority}/oauth2/token", "-d", "grant_type=client_credentials"),
        *("-d", f"client_id={owner.app_id}", "--data-urlencode", f"client_secret={owner.secret}"),
        *("-d", f"resource={DICOM_RESOURCE}"),
    )
    # The v1 endpoint writes its numbers as text.
    assert isinstance(answer["expires_in"], str) and answer["resource"] == DICOM_RESOURCE
    assert claims(answer["access_token"])["aud"] == DICOM_RESOURCE
    assert is_accepted(server, answer["access_token"])


@pytest.mark.parametrize("scope", [f"{DICOM_APP_ID}/.default", DICOM_RESOURCE + "//.default"])
def test_the_resource_may_be_named_by_its_other_names(server, owner, scope):
    answer = server.ask_token(owner, scope=scope)
    assert answer.status_code == 200, answer.text
    assert is_accepted(server, answer.json()["access_token"])


def test_own_host_is_a_name_of_the_resource(server, owner):
    answer = server.ask_token(owner, scope=f"{server.url}/dicom/.default")
    assert answer.status_code == 200, answer.text
    assert is_accepted(server, answer.json()["access_token"])


def test_command_line_gets_a_token_with_the_secret(server, owner):
    # `az` keeps the credential from `az login`; here it is given with the command.
    token = server.command(
        *("account", "get-access-token", "--username", owner.app_id),
        *("--password", owner.secret, f"--resource={DICOM_RESOURCE}", "--query", "accessToken", "--output", "tsv"),
    ).strip()
    assert token.count(".") == 2
    assert is_accepted(server, token)


# --- refusals -----------------------------------------------------------------------------------------------------


def assert_refused(answer, code, error, status):
    body = answer.json()
    assert body["error_codes"] == [code], body
    assert (answer.status_code, body["error"]) == (status, error)
    assert body["error_description"].startswith(f"AADSTS{code}: ")
    assert body["trace_id"] and body["correlation_id"] and body["timestamp"].endswith("Z")
    assert "no-store" in answer.headers["Cache-Control"]


@pytest.mark.parametrize(
    ("changes", "code", "error", "status"),
    [
        ({"client_secret": "wrong"}, 7000215, "invalid_client", 401),
        ({"client_id": "11111111-2222-3333-4444-555555555555"}, 700016, "unauthorized_client", 400),
        ({"client_id": None}, 900144, "invalid_request", 400),
        ({"grant_type": None}, 900144, "invalid_request", 400),
        ({"grant_type": "telepathy"}, 70003, "unsupported_grant_type", 400),
        ({"scope": "https://unknown.example/.default"}, 500011, "invalid_resource", 400),
        ({"scope": f"{DICOM_RESOURCE}/Dicom.Read"}, 1002012, "invalid_scope", 400),
        ({"scope": None}, 900144, "invalid_request", 400),
    ],
)
def test_refusals_carry_entras_codes(server, owner, changes, code, error, status):
    assert_refused(server.ask_token(owner, **changes), code, error, status)


def test_no_credential_is_refused(server, owner):
    answer = server.ask_token(owner, client_secret=None)
    assert answer.status_code == 401
    assert answer.json()["error_codes"][0] in (7000216, 7000218)


def test_basic_failure_challenges(server, owner):
    basic = base64.b64encode(f"{owner.app_id}:wrong".encode()).decode()
    answer = server.session().post(
        server.token_url,
        data={"grant_type": "client_credentials", "scope": DICOM_SCOPE},
        headers={"Authorization": f"Basic {basic}"},
    )
    assert_refused(answer, 7000215, "invalid_client", 401)
    assert answer.headers["WWW-Authenticate"].startswith("Basic")


def test_another_applications_secret_is_refused(server, owner):
    other = server.register("tests other", role=None)
    assert_refused(server.ask_token(owner, client_secret=other.secret), 7000215, "invalid_client", 401)


def test_a_removed_secret_is_refused(server):
    client = server.register("tests removed secret")
    assert server.ask_token(client).status_code == 200
    [key] = server.json("app", "credential", "list", "--id", client.app_id)
    server.command("app", "credential", "delete", "--id", client.app_id, "--key-id", key["keyId"])
    answer = server.ask_token(client)
    assert answer.status_code == 401
    assert answer.json()["error_codes"][0] in (7000215, 7000216, 7000218)


def test_an_expired_secret_is_refused(server):
    import datetime

    client = server.register("tests expired secret", secret=False)
    end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=4)
    credential = server.json(
        *("app", "credential", "reset", "--id", client.app_id, "--append"),
        *("--end-date", end.strftime("%Y-%m-%dT%H:%M:%SZ")),
    )
    client.secret = credential["password"]
    deadline = time.monotonic() + 30
    while (answer := server.ask_token(client)).status_code == 200 and time.monotonic() < deadline:
        time.sleep(0.5)
    assert_refused(answer, 7000222, "invalid_client", 401)


def test_client_credentials_need_a_tenant(server, owner):
    answer = server.session().post(
        f"{server.url}/common/oauth2/v2.0/token",
        data={
            "grant_type": "client_credentials",
            "client_id": owner.app_id,
            "client_secret": owner.secret,
            "scope": DICOM_SCOPE,
        },
    )
    assert answer.status_code == 400
    assert answer.json()["error_description"].startswith("AADSTS50059: ")


@pytest.mark.parametrize(
    ("tenant", "code"), [("11111111-2222-3333-4444-555555555555", 90002), ("not..a..tenant", 900023)]
)
def test_unknown_tenants(server, owner, tenant, code):
    answer = server.session().post(
        f"{server.url}/{tenant}/oauth2/v2.0/token",
        data={"grant_type": "client_credentials", "client_id": owner.app_id, "client_secret": owner.secret},
    )
    assert_refused(answer, code, "invalid_request", 400)


def test_get_is_not_how_one_asks_for_a_token(server):
    answer = server.session().get(server.token_url)
    assert answer.status_code in (400, 405)
    assert "AADSTS900561" in answer.text


def test_a_parameter_given_twice_is_refused(server, owner):
    body = f"grant_type=client_credentials&client_id={owner.app_id}&client_id={owner.app_id}&scope={DICOM_SCOPE}"
    answer = server.session().post(
        server.token_url, data=body, headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_request"


def test_a_huge_form_is_refused(server, owner):
    try:
        answer = server.ask_token(owner, client_assertion="x" * 1_000_000)
    except requests.exceptions.ConnectionError:
        return  # closed before it was all sent: fair
    assert answer.status_code in (400, 413)


# --- certificate assertions, by hand --------------------------------------------------------------------------------


def ask_with_assertion(server, client, key, **changes):
    import uuid

    now = int(time.time())
    payload = {
        "iss": client.app_id, "sub": client.app_id, "aud": server.token_url, "jti": str(uuid.uuid4()),
        "iat": now, "nbf": now, "exp": now + 600,
    }
    algorithm = changes.pop("algorithm", "RS256")
    headers = {"x5t": base64.urlsafe_b64encode(bytes.fromhex(client.certificate.sha1)).decode().rstrip("=")}
    payload.update(changes)
    assertion = jwt.encode(payload, key, algorithm=algorithm, headers=headers)
    return server.ask_token(
        client,
        client_assertion_type="urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        client_assertion=assertion,
    )


def test_a_good_assertion_is_accepted(server, certificate_client):
    assert ask_with_assertion(server, certificate_client, certificate_client.certificate.key).status_code == 200


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"exp": 1_700_000_000, "iat": 1_699_999_000, "nbf": 1_699_999_000}, 700024),
        ({"aud": "https://elsewhere.example/token"}, 700023),
        ({"sub": "11111111-2222-3333-4444-555555555555"}, 700021),
    ],
)
def test_bad_assertions_are_refused(server, certificate_client, changes, code):
    answer = ask_with_assertion(server, certificate_client, certificate_client.certificate.key, **changes)
    assert_refused(answer, code, "invalid_client", 401)


def test_an_assertion_by_another_key_is_refused(server, certificate_client):
    from cryptography.hazmat.primitives.asymmetric import rsa

    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert_refused(ask_with_assertion(server, certificate_client, other), 700027, "invalid_client", 401)


def test_an_unsigned_assertion_is_refused(server, certificate_client):
    answer = ask_with_assertion(server, certificate_client, None, algorithm="none")
    assert answer.status_code in (400, 401)
    assert answer.json()["error"] in ("invalid_client", "invalid_request")


def test_a_symmetric_signature_with_the_public_part_is_refused(server, certificate_client):
    # The oldest trick: the verifier's public key as HMAC secret. PyJWT refuses to help, so it is done by hand.
    import hashlib
    import hmac

    def segment(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")

    app_id = certificate_client.app_id
    head = segment({"alg": "HS256", "typ": "JWT"})
    body = segment({"iss": app_id, "sub": app_id, "aud": server.token_url, "exp": 4_000_000_000, "jti": "1"})
    key = certificate_client.certificate.public_pem.encode()
    mac = base64.urlsafe_b64encode(hmac.digest(key, head + b"." + body, hashlib.sha256)).rstrip(b"=")
    answer = server.ask_token(
        certificate_client,
        client_assertion_type="urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        client_assertion=(head + b"." + body + b"." + mac).decode(),
    )
    assert answer.status_code in (400, 401)


# --- discovery ----------------------------------------------------------------------------------------------------


def test_instance_discovery_knows_this_host_and_no_other(server):
    session = server.session()
    own = session.get(
        f"{server.url}/common/discovery/instance",
        params={"api-version": "1.1", "authorization_endpoint": f"{server.authority}/oauth2/v2.0/authorize"},
    )
    assert own.status_code == 200
    assert own.json()["tenant_discovery_endpoint"].startswith(server.url)
    other = session.get(
        f"{server.url}/common/discovery/instance",
        params={"api-version": "1.1", "authorization_endpoint": "https://elsewhere.example/common/oauth2/authorize"},
    )
    assert (other.status_code, other.json()["error"]) == (400, "invalid_instance")


def test_published_keys_hold_nothing_private(server):
    keys = server.session().get(f"{server.authority}/discovery/v2.0/keys").json()["keys"]
    assert len(keys) >= 2, "the next key is published before its use"
    assert all(set(key) & {"d", "p", "q", "dp", "dq", "qi", "k"} == set() for key in keys)


def test_a_key_is_published_a_day_before_it_signs(server):
    # Resource servers cache the keys for a day, so a planned rotation right after another one is refused.
    with pytest.raises(CommandFailed, match="published less than 24 hours ago"):
        server.command("key", "rotate")


def test_a_stolen_key_is_dropped_at_once(own_server):
    server = own_server()
    client = server.register("tests stolen key")
    # A token that was verified a moment ago is looked at again only after some minutes, and a running server reads its
    # keys every half minute: so each of these is used once, until one is refused.
    unused = [server.token(client) for _ in range(50)]
    server.command("key", "rotate", "--force")
    refused = False
    for token in unused:
        if not is_accepted(server, token):
            refused = True
            break
        time.sleep(1)
    assert refused
    assert is_accepted(server, server.token(client))
