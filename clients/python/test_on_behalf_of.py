"""A service that is called by a user and calls the archive for that user, with the libraries that services use."""

import json
import uuid

import msal
import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import OnBehalfOfCredential

from server import DICOM_RESOURCE, DICOM_SCOPE
from test_delegated import PASSWORD, make_desktop, make_person
from tokens import claims, is_accepted

READ = DICOM_RESOURCE + "/Dicom.Read"


class Chain:
    """A desktop, the service that it calls, and its user."""

    def __init__(self, server):
        self.server = server
        self.upn, identifier = make_person(server, f"caller.{uuid.uuid4().hex[:8]}")
        server.json(
            *("role", "assignment", "create", "--assignee-object-id", identifier, "--assignee-principal-type", "User"),
            *("--role", "DICOM Data Reader", "--scope", "/"),
        )
        self.middle = server.register("service in the middle", role=None)
        self.name = f"api://{self.middle.app_id}"
        scope = {"id": str(uuid.uuid4()), "value": "View", "type": "User", "isEnabled": True,
                 "adminConsentDisplayName": "View", "adminConsentDescription": "View."}
        api = {"requestedAccessTokenVersion": 2, "oauth2PermissionScopes": [scope]}
        server.command("app", "update", "--id", self.middle.app_id, "--identifier-uris", self.name,
                       "--set", "api=" + json.dumps(api))
        self.desktop = make_desktop(server, f"Caller {uuid.uuid4().hex[:8]}", allowPasswordGrant="true")
        server.command("app", "permission", "grant", "--id", self.desktop, "--api", self.middle.app_id,
                       "--scope", "View")

    def consent(self):
        self.server.command("app", "permission", "grant", "--id", self.middle.app_id, "--api", DICOM_RESOURCE,
                            "--scope", "Dicom.Read")

    def token(self):
        """What the desktop calls the service with."""
        # The library would ask port 443 about the user first: a form does what it does then.
        answer = self.server.session().post(self.server.token_url, timeout=30, data={
            "grant_type": "password", "client_id": self.desktop, "username": self.upn, "password": PASSWORD,
            "scope": f"{self.name}/View",
        })
        assert answer.status_code == 200, answer.text
        return answer.json()["access_token"]

    def service(self):
        return msal.ConfidentialClientApplication(
            self.middle.app_id, client_credential=self.middle.secret, authority=self.server.authority,
            instance_discovery=False, verify=self.server.ca,
        )


@pytest.fixture
def chain(server):
    return Chain(server)


def test_msal_acts_for_the_user(server, chain):
    chain.consent()
    assertion = chain.token()
    app = chain.service()
    result = app.acquire_token_on_behalf_of(assertion, [READ])
    assert "access_token" in result, result
    found = claims(result["access_token"])
    assert (found["upn"], found["appid"], found["scp"]) == (chain.upn, chain.middle.app_id, "Dicom.Read")
    assert found["oid"] == claims(assertion)["oid"]
    assert is_accepted(server, result["access_token"])
    [account] = app.get_accounts()
    renewed = app.acquire_token_silent([READ], account, force_refresh=True)
    assert claims(renewed["access_token"])["upn"] == chain.upn


def test_msal_hears_that_consent_is_missing(chain):
    refused = chain.service().acquire_token_on_behalf_of(chain.token(), [READ])
    assert (refused["error"], refused["suberror"], refused["error_codes"]) == (
        "invalid_grant", "consent_required", [65001])


def test_msal_with_what_is_no_token_of_a_user_for_the_service(server, chain):
    chain.consent()
    refused = chain.service().acquire_token_on_behalf_of(server.token(server.register("other")), [READ])
    assert refused["error_codes"] == [7000114], refused
    refused = chain.service().acquire_token_on_behalf_of("no token", [READ])
    assert refused["error_codes"] == [50027], refused


def test_azure_identity_acts_for_the_user(server, chain):
    chain.consent()

    def credential(assertion):
        return OnBehalfOfCredential(
            server.tenant, chain.middle.app_id, client_secret=chain.middle.secret, user_assertion=assertion,
            authority=server.url, disable_instance_discovery=True, connection_verify=server.ca,
        )

    token = credential(chain.token()).get_token(DICOM_SCOPE).token
    assert claims(token)["upn"] == chain.upn
    assert is_accepted(server, token)
    with pytest.raises(ClientAuthenticationError, match="AADSTS50027"):
        credential("no token").get_token(DICOM_SCOPE)
