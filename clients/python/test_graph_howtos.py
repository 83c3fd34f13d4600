"""The how-tos on registering applications with Graph, by curl, until a client stores and finds an instance; and the
requests of Terraform's `azuread` provider in its order."""

import base64
import json
import secrets
import subprocess
import uuid
from dataclasses import dataclass

import pytest
from azure.identity import CertificateCredential, ClientSecretCredential
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from conftest import JSON, Certificate
from dicom_files import image, multipart, part10, uids
from graph import GRAPH, GRAPH_APP_ID, admin_credential, azure_options, register_automation
from server import DICOM_APP_ID, DICOM_SCOPE
from tokens import claims

DICOM_DATA_OWNER = "58a3b984-7adf-4c20-983a-32417c86fbc8"


@dataclass
class Answer:
    status: int
    body: object


class Curl:
    """curl with a token: what the articles show under the heading "HTTP"."""

    def __init__(self, server, token):
        self.server, self.token = server, token

    def __call__(self, method, path, body=None, *headers):
        url = path if path.startswith("https://") else self.server.url + "/v1.0" + path
        words = ["curl", "--silent", "--show-error", "--globoff", "--cacert", self.server.ca, "--request", method, url]
        words += ["--header", f"Authorization: Bearer {self.token}", "--write-out", "\n%{http_code}"]
        for header in headers:
            words += ["--header", header]
        if body is not None:
            words += ["--header", "Content-Type: application/json", "--data", json.dumps(body)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr
        text, _, status = done.stdout.rpartition("\n")
        return Answer(int(status), json.loads(text) if text else None)

    def ok(self, method, path, body=None, *headers, status=None):
        answer = self(method, path, body, *headers)
        expected = status or {"GET": 200, "POST": 201, "PATCH": 204, "DELETE": 204, "PUT": 201}[method]
        assert answer.status == expected, (method, path, answer)
        return answer.body


@pytest.fixture(scope="module")
def curl(server):
    """The administrator, as in Graph Explorer."""
    return Curl(server, admin_credential(server).get_token(GRAPH + "/.default").token)


def unique(name):
    return f"{name} {secrets.token_hex(4)}"


def der64(certificate):
    parsed = x509.load_pem_x509_certificate(certificate.public_pem.encode())
    return base64.b64encode(parsed.public_bytes(serialization.Encoding.DER)).decode()


def principal_of(curl, app_id, *select):
    """The resource's service principal, found as the articles find it."""
    choice = ",".join(("id", "displayName", "appId", *select))
    found = curl.ok("GET", f"/servicePrincipals?$filter=appId%20eq%20'{app_id}'&$select={choice}")
    [principal] = found["value"]
    return principal


# --- the how-tos ------------------------------------------------------------------------------------------------------


def test_the_journey_of_a_service_client(curl, server, tmp_path):
    """Register, service principal, secret, certificate, permissions, consent; then the DICOM service."""
    name = unique("How-to")
    app = curl.ok("POST", "/applications", {"displayName": name, "signInAudience": "AzureADMyOrg"})
    assert app["@odata.context"].endswith("/$metadata#applications/$entity")
    assert app["displayName"] == name and app["passwordCredentials"] == [] and app["deletedDateTime"] is None
    principal = curl.ok("POST", "/servicePrincipals", {"appId": app["appId"]})
    assert principal["appId"] == app["appId"]
    password = curl.ok("POST", f"/applications/{app['id']}/addPassword",
                       {"passwordCredential": {"displayName": "Password friendly name"}}, status=200)
    assert password["secretText"].startswith(password["hint"]) and password["displayName"] == "Password friendly name"
    certificate = Certificate(tmp_path)
    curl.ok("PATCH", f"/applications/{app['id']}", {"keyCredentials": [
        {"type": "AsymmetricX509Cert", "usage": "Verify", "key": der64(certificate), "displayName": "CN=howto"}]})

    # What it may ask for, then the administrator's consent to it.
    dicom = principal_of(curl, DICOM_APP_ID, "appRoles", "oauth2PermissionScopes")
    [role] = [role for role in dicom["appRoles"] if role["value"] == "DICOM Data Owner"]
    assert role["id"] == DICOM_DATA_OWNER
    curl.ok("PATCH", f"/applications/{app['id']}", {"requiredResourceAccess": [
        {"resourceAppId": DICOM_APP_ID, "resourceAccess": [{"id": role["id"], "type": "Role"}]}]})
    curl.ok("POST", f"/servicePrincipals/{dicom['id']}/appRoleAssignedTo",
            {"principalId": principal["id"], "resourceId": dicom["id"], "appRoleId": role["id"]})

    options = azure_options(server)
    pem = (certificate.private_pem + certificate.public_pem).encode()
    for credential in (
        ClientSecretCredential(server.tenant, app["appId"], password["secretText"], **options),
        CertificateCredential(server.tenant, app["appId"], certificate_data=pem, **options),
    ):
        token = credential.get_token(DICOM_SCOPE).token
        assert claims(token)["roles"] == ["DICOM Data Owner"]
        stores_and_finds(server, token)

    curl.ok("POST", f"/applications/{app['id']}/removePassword", {"keyId": password["keyId"]}, status=204)
    assert curl.ok("GET", f"/applications/{app['id']}")["passwordCredentials"] == []


def stores_and_finds(server, token):
    session = server.session(token)
    dataset = image()
    study, _, instance = uids(dataset)
    body, content_type = multipart([part10(dataset)])
    stored = session.post(server.dicom + "/studies", data=body, headers=JSON | {"Content-Type": content_type})
    assert stored.status_code == 200, stored.text
    found = session.get(f"{server.dicom}/instances?StudyInstanceUID={study}", headers=JSON)
    assert [one["00080018"]["Value"] for one in found.json()] == [[instance]]


def test_data_roles_are_assigned_as_azure_does(curl, server):
    """`az role assignment create` is a PUT of Azure Resource Manager."""
    app = curl.ok("POST", "/applications", {"displayName": unique("ARM")})
    principal = curl.ok("POST", "/servicePrincipals", {"appId": app["appId"]})
    password = curl.ok("POST", f"/applications(appId='{app['appId']}')/addPassword", {}, status=200)
    scope = f"/subscriptions/{uuid.uuid4()}/resourceGroups/rg/providers/Microsoft.HealthcareApis/workspaces/w/dicomservices/d"
    path = f"{server.url}{scope}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}?api-version=2022-04-01"
    made = curl.ok("PUT", path, {"properties": {
        "roleDefinitionId": f"{scope}/providers/Microsoft.Authorization/roleDefinitions/{DICOM_DATA_OWNER}",
        "principalId": principal["id"], "principalType": "ServicePrincipal"}})
    assert made["properties"]["principalId"] == principal["id"]
    credential = ClientSecretCredential(server.tenant, app["appId"], password["secretText"], **azure_options(server))
    stores_and_finds(server, credential.get_token(DICOM_SCOPE).token)
    assert curl("DELETE", path).status in (200, 204)


def test_redirect_uris_of_each_platform(curl):
    app = curl.ok("POST", "/applications", {"displayName": unique("Platforms")})
    path = f"/applications/{app['id']}"
    curl.ok("PATCH", path, {"web": {
        "redirectUris": ["https://viewer.example/signin-oidc"], "homePageUrl": "https://viewer.example",
        "logoutUrl": "https://viewer.example/bye",
        "implicitGrantSettings": {"enableIdTokenIssuance": True, "enableAccessTokenIssuance": False}}})
    curl.ok("PATCH", path, {"spa": {"redirectUris": ["http://localhost:3000"]}})
    curl.ok("PATCH", path, {"publicClient": {"redirectUris": ["http://localhost", "myapp://auth"]},
                            "isFallbackPublicClient": True})
    found = curl.ok("GET", path)
    assert found["web"]["redirectUris"] == ["https://viewer.example/signin-oidc"]
    assert found["web"]["implicitGrantSettings"]["enableIdTokenIssuance"] is True
    assert found["spa"]["redirectUris"] == ["http://localhost:3000"]
    assert sorted(found["publicClient"]["redirectUris"]) == ["http://localhost", "myapp://auth"]
    # A collection is replaced whole; an empty one clears.
    curl.ok("PATCH", path, {"publicClient": {"redirectUris": []}})
    assert curl.ok("GET", path)["publicClient"]["redirectUris"] == []
    for uris, word in (
        (["http://viewer.example/cb"], "https"),
        (["https://viewer.example/cb#part"], "fragment"),
        (["https://*.viewer.example/cb"], "wildcard"),
        (["https://viewer.example/cb"] * 2, "viewer.example"),
        (["viewer"], "absolute"),
    ):
        answer = curl("PATCH", path, {"web": {"redirectUris": uris}})
        assert (answer.status, answer.body["error"]["code"]) == (400, "Request_BadRequest"), (uris, answer)
        assert word in answer.body["error"]["message"], (uris, answer)
    assert curl.ok("GET", path)["web"]["redirectUris"] == ["https://viewer.example/signin-oidc"]


def test_admin_consent_by_grants(curl, server):
    """ "Grant or revoke API permissions programmatically": delegated permissions and application permissions."""
    app = curl.ok("POST", "/applications", {"displayName": unique("Consent")})
    client = curl.ok("POST", "/servicePrincipals", {"appId": app["appId"]})
    graph = principal_of(curl, GRAPH_APP_ID, "appRoles", "oauth2PermissionScopes")
    assert graph["displayName"] == "Microsoft Graph"
    scopes = {scope["value"]: scope["id"] for scope in graph["oauth2PermissionScopes"]}
    assert scopes["User.Read"] == "e1fe6dd8-ba31-4d61-89e7-88639da4683d"

    grant = curl.ok("POST", "/oauth2PermissionGrants", {
        "clientId": client["id"], "consentType": "AllPrincipals", "resourceId": graph["id"],
        "scope": "User.Read Group.Read.All"})
    found = curl.ok("GET", f"/oauth2PermissionGrants?$filter=clientId%20eq%20'{client['id']}'%20and%20"
                           "consentType%20eq%20'AllPrincipals'")
    assert [one["id"] for one in found["value"]] == [grant["id"]]
    curl.ok("PATCH", f"/oauth2PermissionGrants/{grant['id']}", {"scope": "User.Read"})
    assert curl.ok("GET", f"/oauth2PermissionGrants/{grant['id']}")["scope"].split() == ["User.Read"]
    curl.ok("DELETE", f"/oauth2PermissionGrants/{grant['id']}")
    assert curl("GET", f"/oauth2PermissionGrants/{grant['id']}").status == 404

    [role] = [role for role in graph["appRoles"] if role["value"] == "Application.Read.All"]
    assignment = {"principalId": client["id"], "resourceId": graph["id"], "appRoleId": role["id"]}
    made = curl.ok("POST", f"/servicePrincipals/{client['id']}/appRoleAssignments", assignment)
    password = curl.ok("POST", f"/applications/{app['id']}/addPassword", status=200)
    credential = ClientSecretCredential(server.tenant, app["appId"], password["secretText"], **azure_options(server))
    reader = Curl(server, credential.get_token(GRAPH + "/.default").token)
    assert reader.ok("GET", f"/applications/{app['id']}?$select=id") ["id"] == app["id"]
    # It may not give itself more than it has.
    more = next(role for role in graph["appRoles"] if role["value"] == "Application.ReadWrite.All")
    more = reader("POST", f"/servicePrincipals/{client['id']}/appRoleAssignments", assignment | {"appRoleId": more["id"]})
    assert (more.status, more.body["error"]["code"]) == (403, "Authorization_RequestDenied")
    curl.ok("DELETE", f"/servicePrincipals/{graph['id']}/appRoleAssignedTo/{made['id']}")


def test_exposing_an_api_of_ones_own(curl, server):
    """Identifier URI, scopes, a preauthorised client; a scope must be disabled before it is removed."""
    client = curl.ok("POST", "/applications", {"displayName": unique("API client")})
    app = curl.ok("POST", "/applications", {"displayName": unique("API")})
    path = f"/applications/{app['id']}"
    scope = {
        "id": str(uuid.uuid4()), "value": "Files.Read", "type": "User", "isEnabled": True,
        "adminConsentDisplayName": "Read", "adminConsentDescription": "Reads files.",
        "userConsentDisplayName": "Read", "userConsentDescription": "Reads your files."}
    curl.ok("PATCH", path, {"identifierUris": [f"api://{app['appId']}"], "api": {"oauth2PermissionScopes": [scope]}})
    curl.ok("PATCH", path, {"api": {"preAuthorizedApplications": [
        {"appId": client["appId"], "delegatedPermissionIds": [scope["id"]]}]}})
    found = curl.ok("GET", path)["api"]
    assert [one["value"] for one in found["oauth2PermissionScopes"]] == ["Files.Read"], "the other block stays"
    assert found["preAuthorizedApplications"][0]["appId"] == client["appId"]
    refused = curl("PATCH", path, {"api": {"oauth2PermissionScopes": [], "preAuthorizedApplications": []}})
    assert refused.status == 400 and "isenabled" in refused.body["error"]["message"].lower(), refused
    curl.ok("PATCH", path, {"api": {"oauth2PermissionScopes": [scope | {"isEnabled": False}],
                                    "preAuthorizedApplications": []}})
    curl.ok("PATCH", path, {"api": {"oauth2PermissionScopes": []}})
    assert curl.ok("GET", path)["api"]["oauth2PermissionScopes"] == []


def test_what_curl_is_told_about_mistakes(curl):
    app = curl.ok("POST", "/applications", {"displayName": unique("Mistakes")})
    path = f"/applications/{app['id']}"
    for method, where, body, status, code, word in (
        ("POST", "/applications", {}, 400, "Request_BadRequest", "displayName"),
        ("POST", "/applications", {"displayName": "x" * 121}, 400, "Request_BadRequest", "displayName"),
        ("POST", "/applications", {"displayName": "x", "color": "red"}, 400, "Request_BadRequest", "color"),
        ("POST", "/applications", {"displayName": 7}, 400, "Request_BadRequest", "displayName"),
        ("PATCH", path, {"appId": str(uuid.uuid4())}, 400, "Request_BadRequest", "appId"),
        ("PATCH", path, {"identifierUris": ["api://a/"]}, 400, "Request_BadRequest", "identifierUris"),
        ("PATCH", path, {"signInAudience": "Everybody"}, 400, "Request_BadRequest", "signInAudience"),
        ("GET", "/applications?$top=1000", None, 400, "Request_BadRequest", "1000"),
        ("GET", "/applications?$filter=notes%20eq%20'x'", None, 400, "Request_UnsupportedQuery", "notes"),
        ("GET", f"/applications/{uuid.uuid4()}", None, 404, "Request_ResourceNotFound", "does not exist"),
        ("GET", "/nothing", None, 400, "BadRequest", "nothing"),
        ("POST", f"{path}/removePassword", {"keyId": str(uuid.uuid4())}, 400, "Request_BadRequest", "keyId"),
    ):
        answer = curl(method, where, body)
        error = answer.body["error"]
        assert (answer.status, error["code"]) == (status, code), (method, where, body, answer)
        assert word in error["message"], (method, where, body, answer)
        assert error["innerError"]["request-id"] and error["innerError"]["date"]


# --- Terraform ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def terraform(server):
    """The provider with a service principal, as in a pipeline."""
    permissions = ("Application.ReadWrite.All", "Directory.ReadWrite.All", "AppRoleAssignment.ReadWrite.All",
                   "DelegatedPermissionGrant.ReadWrite.All")
    client = register_automation(server, "terraform", *permissions)
    made = Curl(server, server.ask_token(client, scope=GRAPH + "/.default").json()["access_token"])
    made.client = client
    return made


CONSISTENT = "ConsistencyLevel: eventual"
ODATA = "Accept: application/json; charset=utf-8; IEEE754Compatible=false"


def test_terraform_makes_an_application(terraform, server, tmp_path):
    name = unique("azuread")
    # prevent_duplicate_names, then who is calling.
    search = f"/applications?$count=true&$filter=displayName%20eq%20'{name.replace(' ', '%20')}'"
    assert terraform.ok("GET", search, None, CONSISTENT, ODATA)["value"] == []
    me = terraform.ok("GET", f"/servicePrincipals?$filter=appId%20eq%20'{terraform.client.app_id}'")["value"][0]["id"]
    assert me == terraform.client.service_principal_id
    role = {"id": str(uuid.uuid4()), "value": "Admin.All", "displayName": "Admin", "description": "Administers.",
            "allowedMemberTypes": ["User", "Application"], "isEnabled": True}
    scope = {"id": str(uuid.uuid4()), "value": "user_impersonation", "type": "User", "isEnabled": True,
             "adminConsentDisplayName": "Access", "adminConsentDescription": "Access on behalf.",
             "userConsentDisplayName": None, "userConsentDescription": None}
    whole = application_block(name, role, scope)
    app = terraform.ok("POST", "/applications", whole | {
        "owners@odata.bind": [f"{server.url}/v1.0/directoryObjects/{me}"]}, ODATA)
    path = f"/applications/{app['id']}"

    # It renames and names back, to see that the object is there on every replica.
    terraform.ok("PATCH", path, {"@odata.type": "#microsoft.graph.application", "displayName": f"TERRAFORM_UPDATE_{uuid.uuid4()}"}, ODATA)
    terraform.ok("PATCH", path, {"@odata.type": "#microsoft.graph.application", "displayName": name}, ODATA)
    terraform.ok("PATCH", path, {"identifierUris": [f"api://{app['appId']}"]}, ODATA)
    terraform.ok("PATCH", path, {"api": {"acceptMappedClaims": None}}, ODATA)
    found = terraform.ok("GET", path, None, ODATA)
    assert found["displayName"] == name and found["identifierUris"] == [f"api://{app['appId']}"]
    assert found["appRoles"][0]["id"] == role["id"]
    assert found["api"]["oauth2PermissionScopes"][0]["id"] == scope["id"]
    owners = terraform.ok("GET", f"{path}/owners?$select=id", None, ODATA)["value"]
    assert [owner["id"] for owner in owners] == [me]

    change_and_destroy(terraform, app, name, role, scope)


def application_block(name, role, scope):
    """What the provider sends for `resource "azuread_application"` with every block."""
    return {
        "@odata.type": "#microsoft.graph.application",
        "api": {
            "@odata.type": "#microsoft.graph.apiApplication", "knownClientApplications": [],
            "oauth2PermissionScopes": [scope], "requestedAccessTokenVersion": 2},
        "appRoles": [role],
        "displayName": name,
        "groupMembershipClaims": "SecurityGroup",
        "identifierUris": [],
        "info": {"marketingUrl": None, "privacyStatementUrl": None, "supportUrl": "https://support.example/",
                 "termsOfServiceUrl": None},
        "isDeviceOnlyAuthSupported": False,
        "isFallbackPublicClient": False,
        "notes": None,
        "oauth2RequirePostResponse": False,
        "optionalClaims": {"accessToken": [{"name": "groups", "source": None, "essential": False,
                                            "additionalProperties": []}], "idToken": [], "saml2Token": []},
        "publicClient": {"redirectUris": []},
        "requiredResourceAccess": [{"resourceAppId": GRAPH_APP_ID, "resourceAccess": [
            {"id": "df021288-bdef-4463-88db-98f22de89214", "type": "Role"},
            {"id": "e1fe6dd8-ba31-4d61-89e7-88639da4683d", "type": "Scope"}]}],
        "serviceManagementReference": None,
        "signInAudience": "AzureADMyOrg",
        "spa": {"redirectUris": []},
        "tags": [],
        "web": {"homePageUrl": None, "logoutUrl": "https://app.example/logout",
                "redirectUris": ["https://app.example/account"],
                "implicitGrantSettings": {"enableAccessTokenIssuance": True, "enableIdTokenIssuance": True}},
    }


def change_and_destroy(terraform, app, name, role, scope):
    path = f"/applications/{app['id']}"
    # The whole object again, with its id; roles and scopes are disabled before they go.
    whole = application_block(name, role, scope) | {"id": app["id"], "notes": "changed"}
    off = whole | {"appRoles": [role | {"isEnabled": False}]}
    off["api"] = whole["api"] | {"oauth2PermissionScopes": [scope | {"isEnabled": False}]}
    terraform.ok("PATCH", path, {"id": app["id"], "appRoles": off["appRoles"]}, ODATA)
    terraform.ok("PATCH", path, {"id": app["id"], "api": {"oauth2PermissionScopes": off["api"]["oauth2PermissionScopes"]}}, ODATA)
    gone = whole | {"appRoles": []}
    gone["api"] = whole["api"] | {"oauth2PermissionScopes": []}
    terraform.ok("PATCH", path, gone, ODATA)
    found = terraform.ok("GET", path, None, ODATA)
    assert (found["appRoles"], found["api"]["oauth2PermissionScopes"], found["notes"]) == ([], [], "changed")

    terraform.ok("DELETE", path, None, ODATA)
    assert terraform("GET", path, None, ODATA).status == 404
    deleted = f"/directory/deletedItems/{app['id']}"
    assert terraform.ok("GET", deleted, None, ODATA)["id"] == app["id"]
    terraform.ok("DELETE", deleted, None, ODATA)
    assert terraform("GET", deleted, None, ODATA).status == 404


def test_terraform_makes_owners_and_credentials(terraform, server, tmp_path):
    app = terraform.ok("POST", "/applications", {"displayName": unique("azuread credentials")})
    path = f"/applications/{app['id']}"
    me = terraform.client.service_principal_id
    owner = {"@odata.id": f"{server.url}/v1.0/{server.tenant}/directoryObjects/{me}"}
    first = terraform("POST", f"{path}/owners/$ref", owner, ODATA)
    # A tenant in the reference's path is how older releases write it.
    assert first.status in (204, 400), first
    if first.status == 400:
        assert "references already exist" in first.body["error"]["message"], first
    again = terraform("POST", f"{path}/owners/$ref", {"@odata.id": f"{server.url}/v1.0/directoryObjects/{me}"}, ODATA)
    assert again.status == 400 and "references already exist" in again.body["error"]["message"], again

    password = terraform.ok("POST", f"{path}/addPassword", {"passwordCredential": {
        "displayName": "rbac", "endDateTime": "2027-01-01T00:00:00Z", "startDateTime": "2026-11-01T00:00:00Z"}}, status=200)
    assert password["endDateTime"] == "2027-01-01T00:00:00Z"
    assert [one["keyId"] for one in terraform.ok("GET", path)["passwordCredentials"]] == [password["keyId"]]

    # Certificates are added by reading them all, adding one, and writing them all back, without their bytes.
    for number in (1, 2):
        (tmp_path / str(number)).mkdir()
        keys = terraform.ok("GET", path)["keyCredentials"]
        keys.append({"keyId": str(uuid.uuid4()), "type": "AsymmetricX509Cert", "usage": "Verify",
                     "key": der64(Certificate(tmp_path / str(number))), "displayName": None})
        terraform.ok("PATCH", path, {"id": app["id"], "keyCredentials": keys}, ODATA)
    kept = terraform.ok("GET", path)["keyCredentials"]
    assert {key["keyId"] for key in kept} == {key["keyId"] for key in keys}
    terraform.ok("PATCH", path, {"id": app["id"], "keyCredentials": kept[1:]}, ODATA)
    assert [key["keyId"] for key in terraform.ok("GET", path)["keyCredentials"]] == [kept[1]["keyId"]]
    terraform.ok("POST", f"{path}/removePassword", {"keyId": password["keyId"]}, status=204)


def test_terraform_makes_a_service_principal_and_its_grants(terraform, server):
    app = terraform.ok("POST", "/applications", {"displayName": unique("azuread sp")})
    me = terraform.client.service_principal_id
    principal = terraform.ok("POST", "/servicePrincipals", {
        "@odata.type": "#microsoft.graph.servicePrincipal", "accountEnabled": True, "alternativeNames": [],
        "appId": app["appId"], "appRoleAssignmentRequired": False, "description": None, "loginUrl": None,
        "notes": None, "notificationEmailAddresses": [], "preferredSingleSignOnMode": None,
        "tags": ["WindowsAzureActiveDirectoryIntegratedApp"],
        "owners@odata.bind": [f"{server.url}/v1.0/directoryObjects/{me}"]}, ODATA)
    assert terraform.ok("GET", f"/servicePrincipals/{principal['id']}")["tags"] == ["WindowsAzureActiveDirectoryIntegratedApp"]
    assert [one["id"] for one in terraform.ok("GET", f"/servicePrincipals/{principal['id']}/owners")["value"]] == [me]

    graph = principal_of(terraform, GRAPH_APP_ID, "appRoles")
    [role] = [role for role in graph["appRoles"] if role["value"] == "Application.Read.All"]
    made = terraform.ok("POST", f"/servicePrincipals/{graph['id']}/appRoleAssignedTo", {
        "@odata.type": "#microsoft.graph.appRoleAssignment", "appRoleId": role["id"],
        "principalId": principal["id"], "resourceId": graph["id"]}, ODATA)
    listed = terraform.ok("GET", f"/servicePrincipals/{graph['id']}/appRoleAssignedTo")["value"]
    assert made["id"] in [one["id"] for one in listed]
    terraform.ok("DELETE", f"/servicePrincipals/{graph['id']}/appRoleAssignedTo/{made['id']}", None, ODATA)
    terraform.ok("DELETE", f"/servicePrincipals/{principal['id']}", None, ODATA)
    assert terraform("GET", f"/servicePrincipals/{principal['id']}", None, ODATA).status == 404
