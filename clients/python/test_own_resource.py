"""A resource application of one's own as the DICOM service's audience, used by a client of each kind through MSAL."""

import json
import secrets

import msal
import pytest

from conftest import database_url
from dicom_files import image, part10
from server import DICOM_SCOPE, Server
from test_delegated import PASSWORD, Browser, claims, let_in, make_person

JSON = {"Accept": "application/dicom+json"}
READER = "7f1c7a9e-4c0b-4d55-9c39-5c8a1f6d2b01"
ADMIN = "7f1c7a9e-4c0b-4d55-9c39-5c8a1f6d2b02"
KINDS = ["service", "public", "confidential"]

CONFIG = """
[dicom]
audiences = ["api://{id}", "{id}"]

[[dicom.role_definitions]]
name = "globalReader"
data_actions = ["read"]

[[dicom.role_definitions]]
name = "globalAdmin"
data_actions = ["*"]
"""


class Imaging:
    """A server whose DICOM service trusts tokens for a resource application that was registered on it."""

    def __init__(self, folder, database):
        self.server = Server(folder / "data", database, config=folder / "hilum.toml")
        self.server.init()
        self.id = self.make_resource("Imaging", version=2)
        self.server.config.write_text(CONFIG.format(id=self.id))
        self.server.start()
        self.person, _ = make_person(self.server, "radiologist")
        self.give(self.person, "globalReader")
        self.study = self.store()

    def make_resource(self, name, version):
        """*Expose an API*: URI, scopes, app roles."""
        def role(identifier, value):
            return {"id": identifier, "value": value, "displayName": value, "description": value,
                    "allowedMemberTypes": ["User", "Application"], "isEnabled": True}

        def scope(identifier, value):
            return {"id": identifier, "value": value, "type": "User", "isEnabled": True,
                    "adminConsentDisplayName": value, "adminConsentDescription": value,
                    "userConsentDisplayName": value, "userConsentDescription": value}

        roles = [role(READER, "globalReader"), role(ADMIN, "globalAdmin")]
        app = self.server.json("app", "create", "--display-name", name, "--app-roles", json.dumps(roles))
        api = {"requestedAccessTokenVersion": version, "oauth2PermissionScopes": [
            scope("7f1c7a9e-4c0b-4d55-9c39-5c8a1f6d2c01", "user_impersonation"),
            scope("7f1c7a9e-4c0b-4d55-9c39-5c8a1f6d2c02", "Dicom.Read"),
            scope("7f1c7a9e-4c0b-4d55-9c39-5c8a1f6d2c03", "Reports.Sign"),
        ]}
        self.server.command("app", "update", "--id", app["appId"], "--identifier-uris", f"api://{app['appId']}",
                            "--set", "api=" + json.dumps(api))
        self.server.json("sp", "create", "--id", app["appId"])
        return app["appId"]

    def give(self, principal, role):
        text = json.dumps({"appRoleAssignments": [{"principal": principal, "resource": self.id, "appRole": role}]})
        self.server.command("apply", "-f", "-", "--yes", input=text)

    def scope(self, name, resource=None):
        return [f"api://{resource or self.id}/{name}"]

    def confidential_app(self, client):
        return msal.ConfidentialClientApplication(
            client.app_id, client_credential=client.secret, authority=self.server.authority,
            instance_discovery=False, verify=self.server.ca,
        )

    def service_client(self, role):
        client = self.server.register("service", role=None)
        if role:
            self.give(f"servicePrincipal:{client.app_id}", role)
        return client

    def store(self):
        """One study, by a service client with the guides' role for everything."""
        client = self.service_client("globalAdmin")
        result = self.confidential_app(client).acquire_token_for_client(self.scope(".default"))
        assert "access_token" in result, result
        dataset = image(PatientID=secrets.token_hex(4), PatientName="Own^Resource")
        headers = JSON | {"Content-Type": "application/dicom"}
        answer = self.server.session(result["access_token"]).post(
            self.server.dicom + "/studies", data=part10(dataset), headers=headers, timeout=30)
        assert answer.status_code == 200, answer.text
        return dataset.StudyInstanceUID

    def search(self, token):
        return self.server.session(token).get(
            f"{self.server.dicom}/studies?StudyInstanceUID={self.study}", headers=JSON, timeout=30)

    # --- a token of a client of each kind -----------------------------------------------------------------------

    def token(self, kind, scope="user_impersonation", resource=None):
        return getattr(self, f"{kind}_token")(scope, resource)["access_token"]

    def service_token(self, _scope, resource):
        client = self.service_client("globalReader")
        return self.confidential_app(client).acquire_token_for_client(self.scope(".default", resource))

    def public_token(self, scope, resource):
        app = self.server.json("app", "create", "--display-name", "desktop " + secrets.token_hex(4),
                               "--is-fallback-public-client", "true")
        self.server.json("sp", "create", "--id", app["appId"])
        desktop = msal.PublicClientApplication(app["appId"], authority=self.server.authority,
                                               instance_discovery=False, verify=self.server.ca)
        flow = desktop.initiate_device_flow(self.scope(scope, resource))
        let_in(self.server, flow["verification_uri"], flow["user_code"], self.person)
        result = desktop.acquire_token_by_device_flow(flow)
        assert "access_token" in result, result
        [account] = desktop.get_accounts()
        # The refresh token holds for this resource, too.
        return desktop.acquire_token_silent(self.scope(scope, resource), account, force_refresh=True)

    def confidential_token(self, scope, resource):
        """MSAL has no device code flow for clients with a secret: its first step is plain HTTP, the rest MSAL."""
        client = self.server.register("web", role=None)
        session, url = self.server.session(), self.server.authority + "/oauth2/v2.0/"
        scopes = self.scope(scope, resource)
        form = {"client_id": client.app_id, "scope": " ".join([*scopes, "openid", "profile", "offline_access"])}
        flow = session.post(url + "devicecode", data=form, timeout=30).json()
        let_in(self.server, flow["verification_uri"], flow["user_code"], self.person)
        form = {"client_id": client.app_id, "device_code": flow["device_code"],
                "grant_type": "urn:ietf:params:oauth:grant-type:device_code"}
        refused = session.post(url + "token", data=form, timeout=30)
        assert refused.status_code in (400, 401) and refused.json()["error"] in ("invalid_client", "invalid_request")
        answer = session.post(url + "token", data=form | {"client_secret": client.secret}, timeout=30)
        assert answer.status_code == 200, answer.text
        return self.confidential_app(client).acquire_token_by_refresh_token(answer.json()["refresh_token"], scopes)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def imaging(request, tmp_path_factory):
    imaging = Imaging(tmp_path_factory.mktemp("imaging"), database_url(request.param))
    yield imaging
    imaging.server.stop()


@pytest.mark.parametrize("kind", KINDS)
def test_a_client_of_each_kind_finds_the_study(imaging, kind):
    token = imaging.token(kind)
    found = claims(token)
    assert (found["aud"], found["roles"]) == (imaging.id, ["globalReader"])
    assert found.get("scp") == (None if kind == "service" else "user_impersonation")
    answer = imaging.search(token)
    assert answer.status_code == 200 and len(answer.json()) == 1, answer.text
    # The role reads; it does not write.
    written = imaging.server.session(token).delete(f"{imaging.server.dicom}/studies/{imaging.study}", timeout=30)
    assert written.status_code == 403, written.text


@pytest.mark.parametrize("kind", ["public", "confidential"])
def test_scopes_of_the_resource_bound_what_a_client_does(imaging, kind):
    reading = imaging.token(kind, "Dicom.Read")
    assert claims(reading)["scp"] == "Dicom.Read"
    assert imaging.search(reading).status_code == 200
    # A scope that the DICOM service does not know gives nothing there.
    other = imaging.token(kind, "Reports.Sign")
    assert imaging.search(other).status_code == 403


@pytest.mark.parametrize("kind", KINDS)
def test_tokens_for_another_resource_are_refused(imaging, kind):
    other = imaging.make_resource("Other " + secrets.token_hex(4), version=2)
    token = imaging.token(kind, resource=other)
    assert claims(token)["aud"] == other
    answer = imaging.search(token)
    assert answer.status_code == 401 and 'error="invalid_token"' in answer.headers["WWW-Authenticate"], answer.text


def test_tokens_of_version_1_name_the_uri(imaging):
    imaging.server.command("app", "update", "--id", imaging.id, "--set", "api.requestedAccessTokenVersion=1")
    try:
        token = imaging.token("service")
        assert claims(token)["aud"] == f"api://{imaging.id}"
        assert imaging.search(token).status_code == 200
    finally:
        imaging.server.command("app", "update", "--id", imaging.id, "--set", "api.requestedAccessTokenVersion=2")


def test_a_role_is_needed(imaging):
    client = imaging.service_client(None)
    result = imaging.confidential_app(client).acquire_token_for_client(imaging.scope(".default"))
    assert imaging.search(result["access_token"]).status_code == 403


def test_roles_of_the_configuration_are_roles_of_the_built_in_resource_too(imaging):
    client = imaging.server.register("built in", role="globalReader")
    result = imaging.confidential_app(client).acquire_token_for_client([DICOM_SCOPE])
    answer = imaging.search(result["access_token"])
    assert answer.status_code == 200 and len(answer.json()) == 1, answer.text


def test_somebody_without_a_role_is_let_in_nowhere(imaging):
    name, _ = make_person(imaging.server, "visitor" + secrets.token_hex(2))
    app = imaging.server.json("app", "create", "--display-name", "desktop", "--is-fallback-public-client", "true")
    imaging.server.json("sp", "create", "--id", app["appId"])
    desktop = msal.PublicClientApplication(app["appId"], authority=imaging.server.authority,
                                           instance_discovery=False, verify=imaging.server.ca)
    flow = desktop.initiate_device_flow(imaging.scope("user_impersonation"))
    browser = Browser(imaging.server, flow["verification_uri"], flow["user_code"])
    browser.sign_in(name, PASSWORD)
    browser.decide("accept")
    token = desktop.acquire_token_by_device_flow(flow)["access_token"]
    assert imaging.search(token).status_code == 403
