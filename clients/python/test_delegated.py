"""Tokens of users through the libraries that people use: device code, password, refreshing."""

import re
import threading
import urllib.parse

import msal
import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import DeviceCodeCredential, UsernamePasswordCredential

from server import ADMIN_PASSWORD, DICOM_RESOURCE, Server
from tokens import claims, is_accepted

# The public client that `az login` uses; every installation knows it.
AZURE_CLI = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
READ = DICOM_RESOURCE + "/Dicom.Read"
PASSWORD = "a long enough password 1"
GRAPH = "https://graph.microsoft.com"


def make_person(server, name, *more):
    upn = f"{name}@{server.account['domain']}"
    user = server.json(
        *("user", "create", "--display-name", name, "--user-principal-name", upn, "--password", PASSWORD), *more
    )
    return upn, user["id"]


def make_desktop(server, name, **members):
    """A public client as the article on public clients registers it."""
    app = server.json("app", "create", "--display-name", name, "--is-fallback-public-client", "true",
                      "--sign-in-audience", "AzureADMultipleOrgs")
    server.json("sp", "create", "--id", app["appId"])
    for member, value in members.items():
        server.command("app", "update", "--id", app["appId"], "--set", f"{member}={value}")
    return app["appId"]


@pytest.fixture(scope="module")
def person(server):
    """A user with a data role."""
    upn, identifier = make_person(server, "reader")
    server.json(
        *("role", "assignment", "create", "--assignee-object-id", identifier, "--assignee-principal-type", "User"),
        *("--role", "DICOM Data Reader", "--scope", "/"),
    )
    return upn


@pytest.fixture(scope="module")
def desktop(server):
    return make_desktop(server, "Desktop client of the tests")


def public_app(server, client_id, authority=None):
    return msal.PublicClientApplication(
        client_id, authority=authority or server.authority, instance_discovery=False, verify=server.ca
    )


class Browser:
    """What a person does at the device page; no script is needed for it."""

    def __init__(self, server, url, code):
        self.session = server.session()
        self.code = code
        self.page = self.session.get(url, timeout=30)
        assert self.page.status_code == 200, self.page.text

    def step(self, step, **fields):
        """Sends the page's form that takes this step, where it leads."""
        [form] = [form for form in re.findall(r"<form.*?</form>", self.page.text, re.DOTALL) if f'value="{step}"' in form]
        action = re.search(r'action="([^"]*)"', form).group(1)
        flow = re.search(r'name="flow" value="([^"]*)"', form).group(1)
        where = urllib.parse.urljoin(self.page.url, action)
        self.page = self.session.post(where, data=fields | {"step": step, "flow": flow}, timeout=30)
        return self.page

    def sign_in(self, name, password):
        self.step("code", user_code=self.code)
        return self.step("sign-in", username=name, password=password)

    def decide(self, decision):
        return self.step("decide", decision=decision)


def let_in(server, url, code, name, password=PASSWORD):
    browser = Browser(server, url, code)
    page = browser.sign_in(name, password)
    assert "Are you trying to sign in" in page.text, page.text
    page = browser.decide("accept")
    assert page.status_code == 200 and "signed in" in page.text, page.text


# --- MSAL ---------------------------------------------------------------------------------------------------------


def test_msal_device_flow_and_silent_refresh(server, person, desktop):
    app = public_app(server, desktop)
    flow = app.initiate_device_flow([READ])
    assert flow["expires_in"] == 900 and flow["interval"] == 5, flow
    assert flow["user_code"] in flow["message"] and flow["verification_uri"] in flow["message"]
    let_in(server, flow["verification_uri"], flow["user_code"], person)
    result = app.acquire_token_by_device_flow(flow)
    assert "access_token" in result, result
    found = claims(result["access_token"])
    assert (found["upn"], found["scp"], found["roles"]) == (person, "Dicom.Read", ["DICOM Data Reader"])
    assert is_accepted(server, result["access_token"])
    assert result["id_token_claims"]["preferred_username"] == person

    [account] = app.get_accounts()
    assert account["username"] == person
    assert account["home_account_id"] == f"{found['oid']}.{found['tid']}"
    cached = app.acquire_token_silent([READ], account)
    assert cached["access_token"] == result["access_token"], "the cache finds the token by the scope that was asked"
    renewed = app.acquire_token_silent([READ], account, force_refresh=True)
    assert renewed["access_token"] != result["access_token"], renewed
    assert claims(renewed["access_token"])["sub"] == found["sub"]


def test_msal_by_a_refresh_token_of_old(server, person, desktop):
    app = public_app(server, desktop)
    flow = app.initiate_device_flow([READ])
    let_in(server, flow["verification_uri"], flow["user_code"], person)
    token = app.acquire_token_by_device_flow(flow)["refresh_token"]
    # A migrated token is used once by the new application, which then has its own.
    result = public_app(server, desktop).acquire_token_by_refresh_token(token, [READ])
    assert claims(result["access_token"])["upn"] == person
    other = public_app(server, make_desktop(server, "Another"))
    refused = other.acquire_token_by_refresh_token(result["refresh_token"], [READ])
    assert (refused["error"], refused["error_codes"]) == ("invalid_grant", [700005])


def test_msal_reports_a_refusal(server, person, desktop):
    app = public_app(server, desktop)
    flow = app.initiate_device_flow([READ])
    browser = Browser(server, flow["verification_uri"], flow["user_code"])
    browser.sign_in(person, PASSWORD)
    browser.decide("refuse")
    assert app.acquire_token_by_device_flow(flow)["error"] == "authorization_declined"


def test_the_command_line_client_is_pre_authorised(server):
    app = public_app(server, AZURE_CLI, f"{server.url}/organizations")
    flow = app.initiate_device_flow([GRAPH + "/.default"])
    admin = server.account["adminUserPrincipalName"]
    let_in(server, flow["verification_uri"], flow["user_code"], admin, ADMIN_PASSWORD)
    result = app.acquire_token_by_device_flow(flow)
    assert "access_token" in result, result
    found = claims(result["access_token"])
    assert "62e90394-69f5-4237-9190-012177145e10" in found["wids"], found
    assert found["scp"], found
    answer = server.session(result["access_token"]).get(server.url + "/v1.0/me", timeout=30)
    assert answer.status_code == 200, answer.text
    assert answer.json()["userPrincipalName"] == admin


def test_a_one_time_password_is_changed_on_the_way(server, desktop):
    upn, _ = make_person(server, "newcomer", "--force-change-password-next-sign-in", "true")
    app = public_app(server, desktop)
    flow = app.initiate_device_flow([READ])
    browser = Browser(server, flow["verification_uri"], flow["user_code"])
    assert "Choose a password of your own" in browser.sign_in(upn, PASSWORD).text
    new = "Another one 22"
    browser.step("password", username=upn, password=PASSWORD, new_password=new, new_password_again=new)
    browser.decide("accept")
    assert "access_token" in app.acquire_token_by_device_flow(flow)


def test_permissions_of_administrators_need_one(server, person, desktop):
    app = public_app(server, desktop)
    flow = app.initiate_device_flow([GRAPH + "/Application.ReadWrite.All"])
    browser = Browser(server, flow["verification_uri"], flow["user_code"])
    page = browser.sign_in(person, PASSWORD)
    assert "approval of an administrator" in page.text and 'value="accept"' not in page.text


# --- azure-identity -------------------------------------------------------------------------------------------------


def test_azure_identity_with_a_device_code(server, person, desktop):
    done = []

    def prompt(uri, code, expires_on):
        thread = threading.Thread(target=let_in, args=(server, uri, code, person))
        thread.start()
        done.append(thread)

    credential = DeviceCodeCredential(
        desktop,
        tenant_id=server.tenant,
        prompt_callback=prompt,
        authority=server.url,
        disable_instance_discovery=True,
        connection_verify=server.ca,
    )
    token = credential.get_token(READ)
    assert claims(token.token)["upn"] == person
    assert is_accepted(server, token.token)
    assert credential.get_token(READ).token == token.token and len(done) == 1, "the second one is cached"


# --- the password grant -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def on_443(tmp_path_factory):
    """MSAL asks `/common/userrealm` on port 443, whatever the authority's port is."""
    server = Server(tmp_path_factory.mktemp("https") / "data", listen="127.0.0.1:443")
    server.init()
    try:
        server.start()
    except RuntimeError as error:
        server.kill()
        pytest.skip(f"port 443 cannot be used here: {error}")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def with_passwords(on_443):
    """A user, and a client for which an administrator switched the grant on and granted a permission."""
    upn, _ = make_person(on_443, "operator")
    client = make_desktop(on_443, "Old script", allowPasswordGrant="true")
    on_443.json("app", "permission", "grant", "--id", client, "--api", DICOM_RESOURCE, "--scope", "Dicom.Read")
    return upn, client


def test_msal_with_a_password(on_443, with_passwords):
    upn, client = with_passwords
    app = public_app(on_443, client)
    result = app.acquire_token_by_username_password(upn, PASSWORD, [READ])
    assert "access_token" in result, result
    assert claims(result["access_token"])["upn"] == upn
    [account] = app.get_accounts()
    assert "access_token" in app.acquire_token_silent([READ], account, force_refresh=True)
    wrong = public_app(on_443, client).acquire_token_by_username_password(upn, "wrong", [READ])
    assert (wrong["error"], wrong["error_codes"]) == ("invalid_grant", [50126])
    asked = public_app(on_443, client).acquire_token_by_username_password(upn, PASSWORD, [GRAPH + "/User.Read"])
    assert (asked["error_codes"], asked["suberror"]) == ([65001], "consent_required")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_azure_identity_with_a_password(on_443, with_passwords):
    upn, client = with_passwords
    options = {"authority": on_443.url, "disable_instance_discovery": True, "connection_verify": on_443.ca}
    credential = UsernamePasswordCredential(client, upn, PASSWORD, tenant_id=on_443.tenant, **options)
    assert claims(credential.get_token(READ).token)["upn"] == upn
    wrong = UsernamePasswordCredential(client, upn, "wrong", tenant_id=on_443.tenant, **options)
    with pytest.raises(ClientAuthenticationError, match="AADSTS50126"):
        wrong.get_token(READ)


def test_the_password_grant_is_off_by_default(server, person, desktop):
    answer = server.session().post(
        server.token_url,
        data={"grant_type": "password", "client_id": desktop, "username": person, "password": PASSWORD, "scope": READ},
        timeout=30,
    )
    assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client"), answer.text


def test_a_storm_of_wrong_passwords_locks_only_the_guesser(own_server):
    server = own_server()
    upn, _ = make_person(server, "target")
    client = make_desktop(server, "Old script", allowPasswordGrant="true")
    form = {"grant_type": "password", "client_id": client, "username": upn, "password": "wrong", "scope": "openid"}
    post = lambda session, **changes: session.post(server.token_url, data=form | changes, timeout=60)
    codes = []

    def guess():
        for _ in range(5):
            codes.append(post(server.session()).json()["error_codes"][0])

    threads = [threading.Thread(target=guess) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # However many came at once, no more were looked at than the lock allows, and one for each that was on its way.
    assert 10 <= codes.count(50126) <= 12 and set(codes) <= {50126, 50053}, codes
    locked = post(server.session(), password=PASSWORD)
    assert locked.json()["error_codes"] == [50053] and int(locked.headers["Retry-After"]) > 0
