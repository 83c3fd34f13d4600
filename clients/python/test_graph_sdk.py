"""Registrations, users, groups and grants through Microsoft's own SDK for Graph, unmodified."""

import datetime
import secrets
import time
import uuid

import jwt
import pytest
from azure.core.credentials import AccessToken
from azure.identity import CertificateCredential
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from kiota_abstractions.base_request_configuration import RequestConfiguration
from msgraph.generated.applications.applications_request_builder import ApplicationsRequestBuilder
from msgraph.generated.applications.item.add_key.add_key_post_request_body import AddKeyPostRequestBody
from msgraph.generated.applications.item.add_password.add_password_post_request_body import AddPasswordPostRequestBody
from msgraph.generated.applications.item.application_item_request_builder import ApplicationItemRequestBuilder
from msgraph.generated.applications.item.remove_key.remove_key_post_request_body import RemoveKeyPostRequestBody
from msgraph.generated.applications.item.remove_password.remove_password_post_request_body import (
    RemovePasswordPostRequestBody,
)
from msgraph.generated.directory_objects.get_by_ids.get_by_ids_post_request_body import GetByIdsPostRequestBody
from msgraph.generated.models.api_application import ApiApplication
from msgraph.generated.models.app_role import AppRole
from msgraph.generated.models.app_role_assignment import AppRoleAssignment
from msgraph.generated.models.application import Application
from msgraph.generated.models.federated_identity_credential import FederatedIdentityCredential
from msgraph.generated.models.group import Group
from msgraph.generated.models.key_credential import KeyCredential
from msgraph.generated.models.o_auth2_permission_grant import OAuth2PermissionGrant
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.password_credential import PasswordCredential
from msgraph.generated.models.password_profile import PasswordProfile
from msgraph.generated.models.permission_scope import PermissionScope
from msgraph.generated.models.public_client_application import PublicClientApplication
from msgraph.generated.models.reference_create import ReferenceCreate
from msgraph.generated.models.required_resource_access import RequiredResourceAccess
from msgraph.generated.models.resource_access import ResourceAccess
from msgraph.generated.models.service_principal import ServicePrincipal
from msgraph.generated.models.spa_application import SpaApplication
from msgraph.generated.models.token_lifetime_policy import TokenLifetimePolicy
from msgraph.generated.models.user import User
from msgraph.generated.models.web_application import WebApplication
from msgraph.generated.service_principals.service_principals_request_builder import ServicePrincipalsRequestBuilder
from msgraph.generated.users.item.get_member_groups.get_member_groups_post_request_body import (
    GetMemberGroupsPostRequestBody,
)
from msgraph.generated.users.item.user_item_request_builder import UserItemRequestBuilder
from msgraph_core import PageIterator
from msgraph_core.requests.batch_request_content import BatchRequestContent
from msgraph_core.requests.batch_request_item import BatchRequestItem

from conftest import Certificate
from graph import (
    GRAPH_APP_ID, Graph, admin_credential, azure_options, register_automation, secret_credential, user_credential,
)
from server import Client

ALL = (
    "Application.ReadWrite.All", "AppRoleAssignment.ReadWrite.All", "DelegatedPermissionGrant.ReadWrite.All",
    "Directory.Read.All", "User.ReadWrite.All", "Group.ReadWrite.All",
)
PASSWORD = "a long enough password 7"


@pytest.fixture(scope="module")
def graph(server):
    """The SDK in a service that manages registrations."""
    made = Graph(server, secret_credential(server, register_automation(server, "tests graph", *ALL)))
    yield made
    made.close()


@pytest.fixture(scope="module")
def admin(server):
    """The SDK for the administrator at the command line."""
    made = Graph(server, admin_credential(server))
    yield made
    made.close()


def unique(name):
    return f"{name} {secrets.token_hex(4)}"


def new_application(graph, **members):
    members = {"display_name": unique("SDK")} | members
    return graph.wait(graph.client.applications.post(Application(**members)))


def new_principal(graph, app):
    return graph.wait(graph.client.service_principals.post(ServicePrincipal(app_id=app.app_id)))


def new_user(graph, server, name, **members):
    nickname = f"{name}.{secrets.token_hex(4)}"
    user = User(
        account_enabled=True, display_name=name, mail_nickname=nickname,
        user_principal_name=f"{nickname}@{server.account['domain']}",
        password_profile=PasswordProfile(password=PASSWORD, force_change_password_next_sign_in=False),
        **members,
    )
    return graph.wait(graph.client.users.post(user))


def new_group(graph, **members):
    group = Group(
        display_name=unique("group"), mail_enabled=False, mail_nickname=secrets.token_hex(4), security_enabled=True,
        **members,
    )
    return graph.wait(graph.client.groups.post(group))


def reference(server, identifier):
    return ReferenceCreate(odata_id=f"{server.url}/v1.0/directoryObjects/{identifier}")


def query(parameters, **values):
    """A request's OData options, as the SDK's users write them."""
    configuration = RequestConfiguration(query_parameters=parameters(**values))
    configuration.headers.add("ConsistencyLevel", "eventual")
    return configuration


def applications(**values):
    return query(ApplicationsRequestBuilder.ApplicationsRequestBuilderGetQueryParameters, **values)


def principals(**values):
    return query(ServicePrincipalsRequestBuilder.ServicePrincipalsRequestBuilderGetQueryParameters, **values)


def refused(graph, call):
    """The error that the SDK makes of a refusal: status, code, message."""
    with pytest.raises(ODataError) as caught:
        graph.wait(call)
    error = caught.value
    assert error.error.message and error.error.message.endswith("."), error
    assert error.error.inner_error.request_id and error.error.inner_error.date, error
    return error.response_status_code, error.error.code, error.error.message


# --- applications -----------------------------------------------------------------------------------------------------


def test_an_application_with_everything_comes_back_as_it_was_sent(graph):
    role, scope = uuid.uuid4(), uuid.uuid4()
    made = new_application(
        graph,
        description="for radiologists", notes="ask the PACS team", tags=["imaging"],
        sign_in_audience="AzureADMyOrg",
        web=WebApplication(redirect_uris=["https://viewer.example/callback"], logout_url="https://viewer.example/bye"),
        spa=SpaApplication(redirect_uris=["http://localhost:3000/"]),
        public_client=PublicClientApplication(redirect_uris=["http://localhost"]),
        is_fallback_public_client=True,
        required_resource_access=[RequiredResourceAccess(
            resource_app_id=GRAPH_APP_ID,
            resource_access=[ResourceAccess(id=uuid.UUID("e1fe6dd8-ba31-4d61-89e7-88639da4683d"), type="Scope")],
        )],
        app_roles=[AppRole(
            id=role, value="Reports.Read", display_name="Read reports", description="Reads all reports",
            allowed_member_types=["User", "Application"], is_enabled=True,
        )],
        api=ApiApplication(requested_access_token_version=2, oauth2_permission_scopes=[PermissionScope(
            id=scope, value="reports", type="User", is_enabled=True,
            admin_consent_display_name="Reports", admin_consent_description="Reads reports.",
        )]),
    )
    assert uuid.UUID(made.id) and uuid.UUID(made.app_id)
    assert abs((datetime.datetime.now(datetime.timezone.utc) - made.created_date_time).total_seconds()) < 60

    for found in (
        graph.wait(graph.client.applications.by_application_id(made.id).get()),
        graph.wait(graph.client.applications_with_app_id(made.app_id).get()),
    ):
        assert (found.id, found.app_id, found.display_name) == (made.id, made.app_id, made.display_name)
        assert (found.description, found.notes, found.tags) == ("for radiologists", "ask the PACS team", ["imaging"])
        assert found.sign_in_audience == "AzureADMyOrg"
        assert found.web.redirect_uris == ["https://viewer.example/callback"]
        assert found.web.logout_url == "https://viewer.example/bye"
        assert found.web.implicit_grant_settings.enable_id_token_issuance is False
        assert found.spa.redirect_uris == ["http://localhost:3000/"]
        assert found.public_client.redirect_uris == ["http://localhost"]
        assert found.is_fallback_public_client is True
        [resource] = found.required_resource_access
        assert resource.resource_app_id == GRAPH_APP_ID and resource.resource_access[0].type == "Scope"
        assert [(one.id, one.value) for one in found.app_roles] == [(role, "Reports.Read")]
        assert [(one.id, one.value) for one in found.api.oauth2_permission_scopes] == [(scope, "reports")]
        assert found.api.requested_access_token_version == 2
        assert found.password_credentials == [] and found.key_credentials == [] and found.deleted_date_time is None


def test_an_application_is_changed_deleted_and_restored(graph):
    made = new_application(graph)
    one = graph.client.applications.by_application_id(made.id)
    uris = ["https://a.example/cb", "https://b.example/cb"]
    assert graph.wait(one.patch(Application(web=WebApplication(redirect_uris=uris), notes="n"))) is None
    assert graph.wait(one.patch(Application(identifier_uris=[f"api://{made.app_id}"]))) is None
    changed = graph.wait(one.get())
    assert sorted(changed.web.redirect_uris) == uris
    assert (changed.notes, changed.display_name) == ("n", made.display_name)
    assert changed.identifier_uris == [f"api://{made.app_id}"]

    assert graph.wait(one.delete()) is None
    assert refused(graph, one.get())[:2] == (404, "Request_ResourceNotFound")
    deleted = graph.client.directory.deleted_items
    listed = graph.wait(deleted.graph_application.get())
    [gone] = [item for item in listed.value if item.id == made.id]
    assert gone.deleted_date_time is not None and gone.app_id == made.app_id

    restored = graph.wait(deleted.by_directory_object_id(made.id).restore.post(None))
    assert restored.id == made.id
    assert sorted(graph.wait(one.get()).web.redirect_uris) == uris

    graph.wait(one.delete())
    graph.wait(deleted.by_directory_object_id(made.id).delete())
    assert refused(graph, deleted.by_directory_object_id(made.id).get())[0] == 404
    assert refused(graph, deleted.by_directory_object_id(made.id).restore.post(None))[0] == 404


def test_applications_are_filtered_ordered_selected_and_counted(graph):
    prefix = unique("list")
    made = [new_application(graph, display_name=f"{prefix} {number}", tags=[f"t{number}"]) for number in range(5)]
    graph.wait(graph.client.applications.by_application_id(made[3].id).patch(
        Application(identifier_uris=[f"api://{made[3].app_id}"])))

    def names(**values):
        found = graph.wait(graph.client.applications.get(applications(**values)))
        return [app.display_name for app in found.value]

    assert names(filter=f"startswith(displayName,'{prefix}')", orderby=["displayName desc"]) == [
        f"{prefix} {number}" for number in (4, 3, 2, 1, 0)]
    assert names(filter=f"displayName eq '{prefix} 2'") == [f"{prefix} 2"]
    assert names(filter=f"appId eq '{made[1].app_id}'") == [f"{prefix} 1"]
    assert names(filter=f"identifierUris/any(u:u eq 'api://{made[3].app_id}')") == [f"{prefix} 3"]
    assert names(filter=f"startswith(displayName,'{prefix}') and tags/any(t:t eq 't4')") == [f"{prefix} 4"]
    assert sorted(names(filter=f"id in ('{made[0].id}','{made[2].id}')")) == [f"{prefix} 0", f"{prefix} 2"]
    assert names(filter=f"startswith(displayName,'{prefix}') and displayName ne '{prefix} 0'",
                 orderby=["displayName"], top=1) == [f"{prefix} 1"]
    assert len(names(search=f'"displayName:{prefix}"')) == 5
    assert names(filter="displayName eq 'it''s not there'") == []

    chosen = graph.wait(graph.client.applications.get(applications(
        filter=f"startswith(displayName,'{prefix}')", select=["id", "appId"], top=2, count=True)))
    assert chosen.odata_count == 5 and len(chosen.value) == 2 and chosen.odata_next_link
    assert all(app.app_id and app.display_name is None and app.web is None for app in chosen.value)

    count = graph.wait(graph.client.applications.count.get())
    assert int(count) >= 5


def test_pages_lead_to_one_another(graph):
    prefix = unique("page")
    made = {new_application(graph, display_name=f"{prefix} {number}").id for number in range(7)}
    first = graph.wait(graph.client.applications.get(applications(
        filter=f"startswith(displayName,'{prefix}')", select=["id"], top=3)))
    assert len(first.value) == 3
    assert first.odata_next_link.startswith(str(graph.client.request_adapter.base_url) + "/applications?")
    seen = []
    graph.wait(PageIterator(first, graph.adapter).iterate(lambda app: seen.append(app.id) or True))
    assert len(seen) == 7 and set(seen) == made


def test_an_upsert_by_unique_name(graph):
    name = secrets.token_hex(6)
    call = graph.client.applications_with_unique_name(name)
    graph.wait(call.patch(Application(display_name="upsert"), configuration_of(Prefer="create-if-missing")))
    found = graph.wait(call.get())
    assert (found.display_name, found.unique_name) == ("upsert", name)
    graph.wait(call.patch(Application(display_name="again"), configuration_of(Prefer="create-if-missing")))
    assert graph.wait(call.get()).id == found.id


def configuration_of(**headers):
    configuration = RequestConfiguration()
    for name, value in headers.items():
        configuration.headers.add(name.replace("_", "-"), value)
    return configuration


# --- credentials ------------------------------------------------------------------------------------------------------


def test_a_password_is_shown_once_works_and_ends(graph, server):
    app = new_application(graph)
    principal = new_principal(graph, app)
    one = graph.client.applications.by_application_id(app.id)
    added = graph.wait(one.add_password.post(AddPasswordPostRequestBody(
        password_credential=PasswordCredential(display_name="from the SDK"))))
    assert added.secret_text and added.hint == added.secret_text[:3] and added.display_name == "from the SDK"
    assert 0 < (added.end_date_time - added.start_date_time).days <= 731
    [kept] = graph.wait(one.get()).password_credentials
    assert (kept.key_id, kept.hint, kept.secret_text) == (added.key_id, added.hint, None)

    client = Client(app.app_id, app.id, principal.id, added.secret_text)
    assert server.ask_token(client).status_code == 200
    graph.wait(one.remove_password.post(RemovePasswordPostRequestBody(key_id=added.key_id)))
    assert graph.wait(one.get()).password_credentials == []
    assert server.ask_token(client).status_code == 401

    status, code, message = refused(
        graph, one.remove_password.post(RemovePasswordPostRequestBody(key_id=added.key_id)))
    assert (status, code) in ((400, "Request_BadRequest"), (404, "Request_ResourceNotFound")), message
    assert str(added.key_id) in message


def proof(app, certificate):
    """RFC 7519: possession of a registered key, as addKey and removeKey want it."""
    now = int(time.time())
    claims = {"aud": "00000002-0000-0000-c000-000000000000", "iss": app.id, "nbf": now - 5, "exp": now + 300}
    thumbprint = jwt.utils.base64url_encode(bytes.fromhex(certificate.sha1)).decode()
    return jwt.encode(claims, certificate.private_pem, algorithm="RS256", headers={"x5t": thumbprint})


def der(certificate):
    return x509.load_pem_x509_certificate(certificate.public_pem.encode()).public_bytes(serialization.Encoding.DER)


def key_of(certificate, name):
    # The SDK puts bytes into base64 by itself.
    return KeyCredential(type="AsymmetricX509Cert", usage="Verify", display_name=name, key=der(certificate))


def test_keys_are_rolled_with_a_proof_of_possession(graph, server, tmp_path):
    app = new_application(graph)
    new_principal(graph, app)
    one = graph.client.applications.by_application_id(app.id)
    (tmp_path / "1").mkdir()
    (tmp_path / "2").mkdir()
    first, second = Certificate(tmp_path / "1", "first"), Certificate(tmp_path / "2", "second")

    graph.wait(one.patch(Application(key_credentials=[key_of(first, "first")])))
    [kept] = graph.wait(one.get()).key_credentials
    assert (kept.display_name, kept.type, kept.usage, kept.key) == ("first", "AsymmetricX509Cert", "Verify", None)
    assert kept.end_date_time is not None and kept.key_id is not None

    added = graph.wait(one.add_key.post(AddKeyPostRequestBody(
        key_credential=key_of(second, "second"), proof=proof(app, first))))
    assert added.display_name == "second"
    sign_in(server, app, second)

    graph.wait(one.remove_key.post(RemoveKeyPostRequestBody(key_id=kept.key_id, proof=proof(app, second))))
    assert [key.key_id for key in graph.wait(one.get()).key_credentials] == [added.key_id]

    status, code, _ = refused(graph, one.add_key.post(AddKeyPostRequestBody(
        key_credential=key_of(first, "again"), proof=proof(app, first))))
    assert (status, code) in ((401, "Authentication_MissingOrMalformed"), (400, "Request_BadRequest"),
                              (403, "Authorization_RequestDenied")), "a proof by a removed key proves nothing"

    query = ApplicationItemRequestBuilder.ApplicationItemRequestBuilderGetQueryParameters(select=["keyCredentials"])
    [whole] = graph.wait(one.get(RequestConfiguration(query_parameters=query))).key_credentials
    assert whole.key, "the key itself is shown only to those who select it"


def sign_in(server, app, certificate):
    credential = CertificateCredential(
        server.tenant, app.app_id, certificate_data=(certificate.private_pem + certificate.public_pem).encode(),
        **azure_options(server))
    assert credential.get_token("https://graph.microsoft.com/.default").token


def test_keys_that_are_there_survive_a_patch_that_lists_them_without_their_bytes(graph, tmp_path):
    app = new_application(graph)
    one = graph.client.applications.by_application_id(app.id)
    (tmp_path / "1").mkdir()
    (tmp_path / "2").mkdir()
    graph.wait(one.patch(Application(key_credentials=[key_of(Certificate(tmp_path / "1"), "first")])))
    keys = graph.wait(one.get()).key_credentials
    keys.append(key_of(Certificate(tmp_path / "2"), "second"))
    graph.wait(one.patch(Application(key_credentials=keys)))
    assert {key.display_name for key in graph.wait(one.get()).key_credentials} == {"first", "second"}


def test_federated_credentials(graph):
    app = new_application(graph)
    all_of = graph.client.applications.by_application_id(app.id).federated_identity_credentials
    made = graph.wait(all_of.post(FederatedIdentityCredential(
        name="ci-main", issuer="https://issuer.example", subject="repo:a/b", audiences=["api://AzureADTokenExchange"])))
    assert [found.name for found in graph.wait(all_of.get()).value] == ["ci-main"]
    one = all_of.by_federated_identity_credential_id(made.id)
    graph.wait(one.patch(FederatedIdentityCredential(subject="repo:a/c")))
    assert graph.wait(one.get()).subject == "repo:a/c"
    graph.wait(one.delete())
    assert graph.wait(all_of.get()).value == []


def test_a_token_lifetime_policy_holds_from_the_next_token(admin, server):
    app = new_application(admin)
    principal = new_principal(admin, app)
    one = admin.client.applications.by_application_id(app.id)
    secret = admin.wait(one.add_password.post(AddPasswordPostRequestBody())).secret_text
    client = Client(app.app_id, app.id, principal.id, secret)
    policies = admin.client.policies.token_lifetime_policies
    made = admin.wait(policies.post(TokenLifetimePolicy(
        display_name=unique("Long shifts"), is_organization_default=False,
        definition=['{"TokenLifetimePolicy":{"Version":1,"AccessTokenLifetime":"4:00:00"}}'])))
    graph_id = f"https://graph.microsoft.com/v1.0/policies/tokenLifetimePolicies/{made.id}"
    admin.wait(one.token_lifetime_policies.ref.post(ReferenceCreate(odata_id=graph_id)))
    assert [found.id for found in admin.wait(one.token_lifetime_policies.get()).value] == [made.id]
    token = server.ask_token(client).json()
    assert (token["expires_in"], token["refresh_in"]) == (14399, 7199)
    # azure-identity asks again when `refresh_in` has passed.
    info = secret_credential(server, client).get_token_info("https://dicom.healthcareapis.azure.com/.default")
    assert 14300 < info.expires_on - time.time() <= 14400
    assert 7100 < info.refresh_on - time.time() <= 7200

    policy = policies.by_token_lifetime_policy_id(made.id)
    admin.wait(policy.patch(TokenLifetimePolicy(
        definition=['{"TokenLifetimePolicy":{"Version":1,"AccessTokenLifetime":"0.00:10:00"}}'])))
    assert server.ask_token(client).json()["expires_in"] == 599
    status, code, _ = refused(admin, policy.patch(TokenLifetimePolicy(
        definition=['{"TokenLifetimePolicy":{"Version":1,"AccessTokenLifetime":"0.00:09:59"}}'])))
    assert (status, code) == (400, "Request_BadRequest")
    admin.wait(one.token_lifetime_policies.by_token_lifetime_policy_id(made.id).ref.delete())
    assert server.ask_token(client).json()["expires_in"] >= 3599
    admin.wait(policy.delete())
    assert made.id not in [found.id for found in admin.wait(policies.get()).value]


# --- service principals, owners, grants -------------------------------------------------------------------------------


def test_a_service_principal_from_creation_to_deletion(graph):
    app = new_application(graph, tags=["imaging"])
    made = new_principal(graph, app)
    assert (made.app_id, made.display_name, made.account_enabled) == (app.app_id, app.display_name, True)
    assert made.service_principal_type == "Application" and made.service_principal_names == [app.app_id]
    one = graph.client.service_principals.by_service_principal_id(made.id)
    graph.wait(one.patch(ServicePrincipal(app_role_assignment_required=True, notes="reviewed")))
    found = graph.wait(graph.client.service_principals_with_app_id(app.app_id).get())
    assert (found.id, found.app_role_assignment_required, found.notes) == (made.id, True, "reviewed")
    listed = graph.wait(graph.client.service_principals.get(principals(
        filter=f"servicePrincipalNames/any(n:n eq '{app.app_id}')", select=["id", "displayName"])))
    assert [(one.id, one.display_name) for one in listed.value] == [(made.id, app.display_name)]

    again = refused(graph, graph.client.service_principals.post(ServicePrincipal(app_id=app.app_id)))
    assert again[:2] == (409, "Request_MultipleObjectsWithSameKeyValue")
    graph.wait(one.delete())
    assert refused(graph, one.get())[0] == 404


def test_owners_of_applications_and_service_principals(graph, admin, server):
    user = new_user(graph, server, "owner")
    app = new_application(graph)
    principal = new_principal(graph, app)
    for one in (
        admin.client.applications.by_application_id(app.id),
        admin.client.service_principals.by_service_principal_id(principal.id),
    ):
        before = {owner.id for owner in admin.wait(one.owners.get()).value}
        admin.wait(one.owners.ref.post(reference(server, user.id)))
        owners = {owner.id: owner for owner in admin.wait(one.owners.get()).value}
        assert owners.keys() == before | {user.id}
        assert isinstance(owners[user.id], User) and owners[user.id].user_principal_name == user.user_principal_name
        status, code, message = refused(admin, one.owners.ref.post(reference(server, user.id)))
        assert (status, code) == (400, "Request_BadRequest") and "references already exist" in message
        admin.wait(one.owners.by_directory_object_id(user.id).ref.delete())
        assert {owner.id for owner in admin.wait(one.owners.get()).value} == before


@pytest.fixture(scope="module")
def api_resource(graph):
    """A resource application of one's own with a role and a scope."""
    app = new_application(
        graph,
        app_roles=[AppRole(
            id=uuid.uuid4(), value="Reports.Read", display_name="Read reports", description="Reads reports.",
            allowed_member_types=["User", "Application"], is_enabled=True,
        )],
        api=ApiApplication(oauth2_permission_scopes=[PermissionScope(
            id=uuid.uuid4(), value=value, type="User", is_enabled=True, admin_consent_display_name=value,
            admin_consent_description=value,
        ) for value in ("reports", "comments")]),
    )
    graph.wait(graph.client.applications.by_application_id(app.id).patch(
        Application(identifier_uris=[f"api://{app.app_id}"])))
    app.principal = new_principal(graph, app)
    return app


def test_an_application_role_reaches_the_token(admin, server, api_resource):
    app = new_application(admin)
    principal = new_principal(admin, app)
    secret = admin.wait(admin.client.applications.by_application_id(app.id).add_password.post(
        AddPasswordPostRequestBody())).secret_text
    client = Client(app.app_id, app.id, principal.id, secret)
    [role] = api_resource.app_roles

    assigned = admin.client.service_principals.by_service_principal_id(api_resource.principal.id).app_role_assigned_to
    made = admin.wait(assigned.post(AppRoleAssignment(
        principal_id=uuid.UUID(principal.id), resource_id=uuid.UUID(api_resource.principal.id), app_role_id=role.id)))
    assert made.principal_type == "ServicePrincipal" and made.principal_display_name == app.display_name
    assert made.resource_display_name == api_resource.display_name
    mine = admin.client.service_principals.by_service_principal_id(principal.id).app_role_assignments
    assert [one.id for one in admin.wait(mine.get()).value] == [made.id]
    assert [one.id for one in admin.wait(assigned.get()).value] == [made.id]

    answer = server.ask_token(client, scope=f"api://{api_resource.app_id}/.default").json()
    assert jwt.decode(answer["access_token"], options={"verify_signature": False})["roles"] == ["Reports.Read"]
    again = refused(admin, mine.post(AppRoleAssignment(
        principal_id=uuid.UUID(principal.id), resource_id=uuid.UUID(api_resource.principal.id), app_role_id=role.id)))
    assert again[:2] == (400, "Request_BadRequest") and "already" in again[2]

    admin.wait(mine.by_app_role_assignment_id(made.id).delete())
    assert admin.wait(mine.get()).value == []


def test_application_roles_of_users_and_groups(admin, server, api_resource):
    user, group = new_user(admin, server, "reader"), new_group(admin)
    [role] = api_resource.app_roles
    for kind, identifier, one in (
        ("User", user.id, admin.client.users.by_user_id(user.id)),
        ("Group", group.id, admin.client.groups.by_group_id(group.id)),
    ):
        made = admin.wait(one.app_role_assignments.post(AppRoleAssignment(
            principal_id=uuid.UUID(identifier), resource_id=uuid.UUID(api_resource.principal.id), app_role_id=role.id)))
        assert made.principal_type == kind
        assert [found.id for found in admin.wait(one.app_role_assignments.get()).value] == [made.id]


def test_a_delegated_permission_is_granted_widened_and_withdrawn(admin, api_resource):
    app = new_application(admin)
    client = new_principal(admin, app)
    grants = admin.client.oauth2_permission_grants
    made = admin.wait(grants.post(OAuth2PermissionGrant(
        client_id=client.id, consent_type="AllPrincipals", resource_id=api_resource.principal.id, scope="reports")))
    assert (made.principal_id, made.scope.split()) == (None, ["reports"])
    one = grants.by_o_auth2_permission_grant_id(made.id)
    admin.wait(one.patch(OAuth2PermissionGrant(scope="reports comments")))
    assert sorted(admin.wait(one.get()).scope.split()) == ["comments", "reports"]
    of_client = admin.client.service_principals.by_service_principal_id(client.id).oauth2_permission_grants
    assert [found.id for found in admin.wait(of_client.get()).value] == [made.id]
    admin.wait(one.delete())
    assert refused(admin, one.get())[:2] == (404, "Request_ResourceNotFound")


# --- users and groups -------------------------------------------------------------------------------------------------


def test_a_user_from_creation_to_restoration(graph, server):
    made = new_user(graph, server, "Ada", given_name="Ada", surname="L.", job_title="radiologist", department="R1")
    assert made.user_principal_name.endswith(server.account["domain"])
    for key in (made.id, made.user_principal_name):
        assert graph.wait(graph.client.users.by_user_id(key).get()).id == made.id
    one = graph.client.users.by_user_id(made.id)
    graph.wait(one.patch(User(job_title="head of department", account_enabled=False)))
    parameters = UserItemRequestBuilder.UserItemRequestBuilderGetQueryParameters(
        select=["jobTitle", "accountEnabled", "department"])
    changed = graph.wait(one.get(RequestConfiguration(query_parameters=parameters)))
    assert (changed.job_title, changed.account_enabled, changed.department) == ("head of department", False, "R1")
    assert changed.display_name is None, "only what was selected"

    same = User(
        account_enabled=True, display_name="x", mail_nickname="x", user_principal_name=made.user_principal_name,
        password_profile=PasswordProfile(password=PASSWORD))
    assert refused(graph, graph.client.users.post(same))[0] in (400, 409)

    graph.wait(one.delete())
    assert refused(graph, one.get())[0] == 404
    item = graph.client.directory.deleted_items.by_directory_object_id(made.id)
    assert graph.wait(item.restore.post(None)).id == made.id
    assert graph.wait(one.get()).id == made.id


def test_a_group_its_members_and_theirs(graph, server):
    outer, inner = new_group(graph, description="outer"), new_group(graph)
    user = new_user(graph, server, "member")
    one = graph.client.groups.by_group_id(outer.id)
    graph.wait(one.members.ref.post(reference(server, inner.id)))
    graph.wait(graph.client.groups.by_group_id(inner.id).members.ref.post(reference(server, user.id)))
    assert [member.id for member in graph.wait(one.members.get()).value] == [inner.id]
    assert {member.id for member in graph.wait(one.transitive_members.get()).value} == {inner.id, user.id}
    person = graph.client.users.by_user_id(user.id)
    assert [group.id for group in graph.wait(person.member_of.get()).value] == [inner.id]
    assert {group.id for group in graph.wait(person.transitive_member_of.get()).value} == {inner.id, outer.id}
    groups = graph.wait(person.get_member_groups.post(GetMemberGroupsPostRequestBody(security_enabled_only=True)))
    assert set(groups.value) == {inner.id, outer.id}

    duplicate = refused(graph, one.members.ref.post(reference(server, inner.id)))
    assert duplicate[:2] == (400, "Request_BadRequest") and "references already exist" in duplicate[2]
    graph.wait(one.members.by_directory_object_id(inner.id).ref.delete())
    assert graph.wait(one.members.get()).value == []
    graph.wait(one.patch(Group(description="renamed")))
    assert graph.wait(one.get()).description == "renamed"
    graph.wait(one.delete())
    assert refused(graph, one.get())[0] == 404


def test_objects_of_several_kinds_by_their_ids(graph, server):
    app, group, user = new_application(graph), new_group(graph), new_user(graph, server, "kinds")
    found = graph.wait(graph.client.directory_objects.get_by_ids.post(GetByIdsPostRequestBody(
        ids=[app.id, group.id, user.id], types=["application", "group", "user"])))
    kinds = {item.id: type(item) for item in found.value}
    assert kinds == {app.id: Application, group.id: Group, user.id: User}


def test_the_organization_is_the_tenant(graph, server):
    [organization] = graph.wait(graph.client.organization.get()).value
    assert organization.id == server.tenant
    assert server.account["domain"] in [domain.name for domain in organization.verified_domains]


# --- the signed-in user -----------------------------------------------------------------------------------------------


def test_me_is_the_administrator(admin, server):
    me = admin.wait(admin.client.me.get())
    assert me.user_principal_name == server.account["adminUserPrincipalName"]
    roles = admin.wait(admin.client.me.member_of.graph_directory_role.get()).value
    assert "62e90394-69f5-4237-9190-012177145e10" in [role.role_template_id for role in roles]


def test_me_without_the_rewriting_of_the_default_client(admin, server):
    # The SDK then asks for /users/me-token-to-replace.
    session = server.session(admin_credential(server).get_token("https://graph.microsoft.com/.default").token)
    answer = session.get(server.url + "/v1.0/users/me-token-to-replace", timeout=30)
    assert answer.json()["userPrincipalName"] == server.account["adminUserPrincipalName"]


def test_me_is_whoever_signed_in(graph, server):
    user = new_user(graph, server, "person")
    credential = user_credential(server, user.user_principal_name, PASSWORD)
    person = Graph(server, credential, scopes=["https://graph.microsoft.com/User.Read"])
    try:
        assert person.wait(person.client.me.get()).id == user.id
        # Everybody may read himself; nobody but administrators may register applications (sheet §5.4).
        made = person.client.applications.post(Application(display_name=unique("not mine to make")))
        assert refused(person, made)[:2] == (403, "Authorization_RequestDenied")
    finally:
        person.close()


def test_me_needs_a_user(graph):
    status, code, message = refused(graph, graph.client.me.get())
    assert (status, code) == (400, "BadRequest") and "delegated" in message


# --- batches ----------------------------------------------------------------------------------------------------------


def test_a_batch_of_the_sdk(graph):
    app = new_application(graph)
    one = graph.client.applications.by_application_id(app.id)
    named = unique("batched")
    batch = BatchRequestContent()
    batch.add_request("get", BatchRequestItem(one.to_get_request_information(), id="get"))
    batch.add_request("make", BatchRequestItem(
        graph.client.applications.to_post_request_information(Application(display_name=named)), id="make"))
    missing = graph.client.applications.by_application_id(str(uuid.uuid4()))
    batch.add_request("missing", BatchRequestItem(missing.to_get_request_information(), id="missing"))
    came = []

    async def keep(response):
        await response.aread()
        if response.url.path.endswith("/$batch"):
            came.append(response.json())

    hooks = graph.client.request_adapter._http_client.event_hooks
    graph.client.request_adapter._http_client.event_hooks = {**hooks, "response": [*hooks["response"], keep]}
    try:
        answer = graph.wait(graph.client.batch.post(batch))
    finally:
        graph.client.request_adapter._http_client.event_hooks = hooks
    assert answer.get_response_status_codes() == {"get": 200, "make": 201, "missing": 404}
    # The SDK drops bodies that are JSON objects, Graph's as well as ours, so they are looked at as they came.
    [came] = came
    bodies = {response["id"]: response["body"] for response in came["responses"]}
    assert (bodies["get"]["id"], bodies["get"]["appId"]) == (app.id, app.app_id)
    made = graph.wait(graph.client.applications.by_application_id(bodies["make"]["id"]).get())
    assert (made.display_name, made.app_id) == (named, bodies["make"]["appId"])
    error = bodies["missing"]["error"]
    assert error["code"] == "Request_ResourceNotFound" and error["innerError"]["request-id"]
    types = {response["id"]: response["headers"]["Content-Type"] for response in came["responses"]}
    assert set(types.values()) == {"application/json"}


# --- refusals ---------------------------------------------------------------------------------------------------------


def test_refusals_say_what_is_wrong(graph):
    post = graph.client.applications.post
    status, code, message = refused(graph, post(Application()))
    assert (status, code) == (400, "Request_BadRequest") and "displayName" in message
    bad = Application(display_name="x", web=WebApplication(redirect_uris=["http://viewer.example/cb"]))
    status, code, message = refused(graph, post(bad))
    assert (status, code) == (400, "Request_BadRequest") and "redirectUris" in message and "localhost" in message
    status, code, message = refused(graph, graph.client.applications.get(applications(filter="colour eq 'blue'")))
    assert (status, code) == (400, "Request_UnsupportedQuery") and "colour" in message
    status, code, message = refused(graph, graph.client.applications.get(applications(filter="displayName eq")))
    assert (status, code) == (400, "BadRequest"), message
    status, code, message = refused(graph, graph.client.applications_with_app_id(str(uuid.uuid4())).get())
    assert (status, code) == (404, "Request_ResourceNotFound")
    first, second = new_application(graph), new_application(graph)
    uri = [f"api://{first.app_id}"]
    graph.wait(graph.client.applications.by_application_id(first.id).patch(Application(identifier_uris=uri)))
    taken = graph.client.applications.by_application_id(second.id).patch(Application(identifier_uris=uri))
    assert refused(graph, taken)[0] == 400


def test_rights_are_needed_and_bound_what_is_given(server, graph):
    reader = register_automation(server, "tests graph reader", "Application.Read.All")
    reading = Graph(server, secret_credential(server, reader))
    owned = register_automation(server, "tests graph owner", "Application.ReadWrite.OwnedBy")
    owning = Graph(server, secret_credential(server, owned))
    try:
        app = new_application(graph)
        assert reading.wait(reading.client.applications.by_application_id(app.id).get()).id == app.id
        denied = (403, "Authorization_RequestDenied")
        for who, call in (
            (reading, reading.client.applications.post(Application(display_name="no"))),
            (reading, reading.client.applications.by_application_id(app.id).delete()),
            (reading, reading.client.users.get()),
            (owning, owning.client.applications.by_application_id(app.id).patch(Application(notes="mine now"))),
        ):
            assert refused(who, call)[:2] == denied
        mine = new_application(owning)
        owners = owning.wait(owning.client.applications.by_application_id(mine.id).owners.get())
        assert [owner.id for owner in owners.value] == [owned.service_principal_id]
        owning.wait(owning.client.applications.by_application_id(mine.id).patch(Application(notes="mine")))
    finally:
        reading.close()
        owning.close()


class Static:
    """A credential that always gives the same token."""

    def __init__(self, token):
        self.token = token

    def get_token(self, *_scopes, **_options):
        return AccessToken(self.token, int(time.time()) + 3600)


def test_tokens_of_other_resources_are_refused(server, owner):
    for token in (server.token(owner), "not.a.token"):
        wrong = Graph(server, Static(token))
        try:
            assert refused(wrong, wrong.client.applications.get())[:2] == (401, "InvalidAuthenticationToken")
        finally:
            wrong.close()


def test_an_ended_account_ends_its_tokens(graph, server):
    user = new_user(graph, server, "leaver")
    person = Graph(server, user_credential(server, user.user_principal_name, PASSWORD))
    try:
        assert person.wait(person.client.me.get()).id == user.id
        graph.wait(graph.client.users.by_user_id(user.id).patch(User(account_enabled=False)))
        assert refused(person, person.client.me.get())[:2] == (401, "InvalidAuthenticationToken")
    finally:
        person.close()
