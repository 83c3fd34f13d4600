"""Signing in by redirect: MSAL and azure-identity as they are, and a browser that runs no script."""

import hashlib
import html
import json
import re
import secrets
import socket
import threading
import webbrowser
from urllib.parse import parse_qs, urljoin, urlsplit

import jwt
import msal
import pytest
import requests
from azure.identity import InteractiveBrowserCredential

from server import ADMIN_PASSWORD, DICOM_APP_ID, DICOM_RESOURCE
from tokens import claims, is_accepted

READ = DICOM_RESOURCE + "/Dicom.Read"
WRITE = DICOM_RESOURCE + "/Dicom.ReadWrite"
PASSWORD = "a long enough password 1"
WEB = "https://reading.example/callback"
SPA = "http://localhost:3000/redirect.html"


def make_person(server, name, *more):
    upn = f"{name}-{secrets.token_hex(3)}@{server.account['domain']}"
    user = server.json(
        *("user", "create", "--display-name", name, "--user-principal-name", upn, "--password", PASSWORD), *more
    )
    server.json(
        *("role", "assignment", "create", "--assignee-object-id", user["id"], "--assignee-principal-type", "User"),
        *("--role", "DICOM Data Reader", "--scope", "/"),
    )
    return upn


@pytest.fixture
def person(server):
    """Somebody who was never here: no consent, no session."""
    return make_person(server, "reader")


class Application:
    """A registration on all three platforms."""

    def __init__(self, server):
        name = f"Reading room {secrets.token_hex(3)}"
        app = server.json(
            *("app", "create", "--display-name", name, "--web-redirect-uris", WEB),
            *("--public-client-redirect-uris", "http://localhost"),
        )
        self.id = app["appId"]
        server.command("app", "update", "--id", self.id, "--set", f'spa={json.dumps({"redirectUris": [SPA]})}')
        server.json("sp", "create", "--id", self.id)
        self.secret = server.json("app", "credential", "reset", "--id", self.id, "--append")["password"]
        self.server = server

    def options(self, authority=None):
        return {
            "authority": authority or self.server.authority,
            "instance_discovery": False,
            "verify": self.server.ca,
        }

    def confidential(self):
        return msal.ConfidentialClientApplication(self.id, client_credential=self.secret, **self.options())

    def public(self):
        return msal.PublicClientApplication(self.id, **self.options())


@pytest.fixture(scope="module")
def application(server):
    return Application(server)


class Browser:
    """What a person without scripts does: follows links and redirects, fills forms in, presses buttons."""

    def __init__(self, server):
        self.server = server
        self.session = server.session()
        self.page = None

    def visit(self, answer):
        """Keeps a page of ours; says where the answer leads otherwise."""
        while answer.status_code == 303:
            location = urljoin(answer.url, answer.headers["Location"])
            if not location.startswith(self.server.url):
                self.page = None
                return location
            answer = self.session.get(location, allow_redirects=False, timeout=30)
        assert "text/html" in answer.headers["Content-Type"], answer.text
        self.page = answer
        return None

    def open(self, url):
        return self.visit(self.session.get(url, allow_redirects=False, timeout=30))

    def fields(self):
        """The first form's action and hidden fields."""
        form = re.search(r"<form method=\"post\" action=\"([^\"]*)\">(.*?)</form>", self.page.text, re.DOTALL)
        assert form, self.page.text
        hidden = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', form.group(2))
        return html.unescape(form.group(1)), {name: html.unescape(value) for name, value in hidden}

    def submit(self, **values):
        action, fields = self.fields()
        url = urljoin(self.page.url, action)
        return self.visit(self.session.post(url, data=fields | values, allow_redirects=False, timeout=30))

    def sign_in(self, name, password=PASSWORD):
        assert "<h1>Sign in</h1>" in self.page.text, self.page.text
        return self.submit(username=name, password=password)

    def accept(self):
        assert "asks for permissions" in self.page.text, self.page.text
        return self.submit(decision="accept")

    def through(self, url, name):
        """All of it; returns where it leads, or leaves the page that posts the answer."""
        self.open(url)
        return self.sign_in(name) or (self.accept() if "asks for permissions" in self.page.text else None)


def answer_of(location):
    parts = urlsplit(location)
    return {name: values[0] for name, values in parse_qs(parts.fragment or parts.query).items()}


@pytest.fixture
def desktop(server):
    """Makes `webbrowser` drive our browser: it signs a person in and posts the answer to the loopback address."""
    seen = []

    class Driver(webbrowser.BaseBrowser):
        person = None

        def open(self, url, new=0, autoraise=True):
            threading.Thread(target=self.drive, args=(url,)).start()
            return True

        def drive(self, url):
            browser = Browser(server)
            try:
                browser.through(url, self.person)
                action, fields = browser.fields()
                seen.append((url, requests.post(action, data=fields, timeout=30).status_code))
            except Exception as error:  # the waiting library would hide it
                seen.append((url, error))

    driver = Driver()
    driver.seen = seen
    webbrowser.register("hilum-test", None, driver, preferred=True)
    yield driver
    webbrowser._tryorder.remove("hilum-test")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# --- MSAL ---------------------------------------------------------------------------------------------------------


def test_msal_confidential_client(server, application, person):
    app = application.confidential()
    flow = app.initiate_auth_code_flow([READ], redirect_uri=WEB, login_hint=person, max_age=600)
    browser = Browser(server)
    location = browser.through(flow["auth_uri"], person)
    assert location.startswith(WEB + "?"), location
    result = app.acquire_token_by_auth_code_flow(flow, answer_of(location))
    assert "access_token" in result, result
    found = claims(result["access_token"])
    assert (found["upn"], found["scp"], found["appidacr"]) == (person, "Dicom.Read", "1")
    assert is_accepted(server, result["access_token"])
    assert result["id_token_claims"]["preferred_username"] == person
    [account] = app.get_accounts()
    assert account["home_account_id"] == f"{found['oid']}.{found['tid']}"
    cached = app.acquire_token_silent([READ], account)
    assert cached["access_token"] == result["access_token"]
    renewed = app.acquire_token_silent([READ], account, force_refresh=True)
    assert renewed["access_token"] != result["access_token"] and is_accepted(server, renewed["access_token"])

    # Single sign-on: the second time nobody is asked anything.
    flow = app.initiate_auth_code_flow([READ], redirect_uri=WEB, response_mode="form_post")
    assert browser.open(flow["auth_uri"]) is None
    action, fields = browser.fields()
    assert action == WEB
    result = app.acquire_token_by_auth_code_flow(flow, fields)
    assert "access_token" in result, result
    # A code is good once, and its second use ends what it gave.
    again = application.confidential().acquire_token_by_auth_code_flow(flow, fields)
    assert (again["error"], again["error_codes"]) == ("invalid_grant", [54005])
    stolen = application.confidential().acquire_token_by_refresh_token(result["refresh_token"], [READ])
    assert stolen["error"] == "invalid_grant"


def test_msal_public_client_through_a_browser(server, application, person, desktop):
    desktop.person = person
    app = application.public()
    result = app.acquire_token_interactive([READ], timeout=60)
    assert desktop.seen and desktop.seen[0][1] == 200, desktop.seen
    assert "access_token" in result, result
    assert "code_challenge_method=S256" in desktop.seen[0][0]
    found = claims(result["access_token"])
    assert (found["upn"], found["appidacr"]) == (person, "0")
    assert is_accepted(server, result["access_token"])
    [account] = app.get_accounts()
    renewed = app.acquire_token_silent([READ], account, force_refresh=True)
    assert "access_token" in renewed, renewed
    # Another permission needs another consent.
    refused = app.acquire_token_silent_with_error([WRITE], account)
    assert (refused["error"], refused["suberror"]) == ("invalid_grant", "consent_required"), refused


def test_msal_hears_of_refusals(server, application, person):
    app = application.confidential()
    browser = Browser(server)
    flow = app.initiate_auth_code_flow([READ], redirect_uri=WEB, prompt="none")
    result = app.acquire_token_by_auth_code_flow(flow, answer_of(browser.open(flow["auth_uri"])))
    assert result["error"] == "login_required" and "AADSTS50058" in result["error_description"]
    flow = app.initiate_auth_code_flow([READ], redirect_uri=WEB)
    browser.open(flow["auth_uri"])
    browser.sign_in(person)
    location = browser.submit(decision="refuse")
    result = app.acquire_token_by_auth_code_flow(flow, answer_of(location))
    assert result["error"] == "access_denied" and "AADSTS65004" in result["error_description"]
    other = app.initiate_auth_code_flow([READ], redirect_uri="https://evil.example/callback")
    assert browser.open(other["auth_uri"]) is None, "nothing leads to an address that is not registered"
    assert browser.page.status_code == 400 and "AADSTS50011" in browser.page.text


def test_msal_with_the_issuer_checked(server, application, person):
    app = msal.ConfidentialClientApplication(
        application.id, client_credential=application.secret, verify=server.ca,
        oidc_authority=f"{server.url}/{server.tenant}/v2.0",
    )
    flow = app.initiate_auth_code_flow([READ], redirect_uri=WEB)
    answer = answer_of(Browser(server).through(flow["auth_uri"], person))
    assert answer["iss"] == f"{server.url}/{server.tenant}/v2.0"
    assert "access_token" in app.acquire_token_by_auth_code_flow(flow, answer)


# --- azure-identity -------------------------------------------------------------------------------------------------


def test_azure_identity_through_a_browser(server, application, person, desktop):
    desktop.person = person
    credential = InteractiveBrowserCredential(
        tenant_id=server.tenant, client_id=application.id, redirect_uri=f"http://localhost:{free_port()}",
        authority=server.url, disable_instance_discovery=True, connection_verify=server.ca, timeout=60,
    )
    token = credential.get_token(READ)
    assert claims(token.token)["upn"] == person
    assert is_accepted(server, token.token)
    assert credential.get_token(READ).token == token.token and len(desktop.seen) == 1


# --- single-page applications, by hand --------------------------------------------------------------------------------


def test_a_single_page_application_redeems_across_origins(server, application, person):
    verifier = secrets.token_urlsafe(48)
    challenge = jwt.utils.base64url_encode(hashlib.sha256(verifier.encode()).digest()).decode()
    query = {
        "client_id": application.id, "response_type": "code", "redirect_uri": SPA, "response_mode": "fragment",
        "scope": f"{READ} openid profile offline_access", "state": "x", "nonce": "n",
        "code_challenge": challenge, "code_challenge_method": "S256",
    }
    url = requests.Request("GET", f"{server.authority}/oauth2/v2.0/authorize", params=query).prepare().url
    location = Browser(server).through(url, person)
    assert location.startswith(SPA + "#"), location
    form = {
        "grant_type": "authorization_code", "client_id": application.id, "redirect_uri": SPA,
        "code": answer_of(location)["code"], "code_verifier": verifier,
    }
    session = server.session()
    without = session.post(server.token_url, data=form, timeout=30)
    assert without.json()["error_codes"] == [9002327], without.text
    answer = session.post(server.token_url, data=form, headers={"Origin": "http://localhost:3000"}, timeout=30)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Access-Control-Allow-Origin"] == "http://localhost:3000"
    assert answer.json()["refresh_token_expires_in"] == 86400
    assert claims(answer.json()["id_token"])["nonce"] == "n"


# --- leaving ----------------------------------------------------------------------------------------------------------


def test_user_info_and_signing_out(server, application, person):
    app = application.confidential()
    flow = app.initiate_auth_code_flow([READ], redirect_uri=WEB)
    browser = Browser(server)
    result = app.acquire_token_by_auth_code_flow(flow, answer_of(browser.through(flow["auth_uri"], person)))
    document = server.session().get(f"{server.authority}/v2.0/.well-known/openid-configuration", timeout=30).json()
    info = server.session(result["access_token"]).get(document["userinfo_endpoint"], timeout=30).json()
    assert (info["sub"], info["name"]) == (result["id_token_claims"]["sub"], "reader")
    end = document["end_session_endpoint"]
    url = requests.Request("GET", end, params={"post_logout_redirect_uri": WEB, "state": "s"}).prepare().url
    assert browser.open(url) is None and "Do you want to sign out?" in browser.page.text
    assert browser.submit() == WEB + "?state=s"
    silent = app.initiate_auth_code_flow([READ], redirect_uri=WEB, prompt="none")
    assert answer_of(browser.open(silent["auth_uri"]))["error"] == "login_required"


def test_an_administrator_consents_for_everybody(server, person):
    application = Application(server)
    scope = "e69ab058-b8ae-4c0f-b687-5d97888ddccb=Scope"
    server.command("app", "permission", "add", "--id", application.id, "--api", DICOM_APP_ID, "--api-permissions", scope)
    query = {"client_id": application.id, "redirect_uri": WEB, "state": "s"}
    url = requests.Request("GET", f"{server.authority}/adminconsent", params=query).prepare().url
    admin = Browser(server)
    admin.open(url)
    admin.sign_in(server.account["adminUserPrincipalName"], ADMIN_PASSWORD)
    answer = answer_of(admin.accept())
    assert (answer["admin_consent"], answer["tenant"], answer["state"]) == ("True", server.tenant, "s")
    # Nobody else is asked.
    flow = application.confidential().initiate_auth_code_flow([WRITE], redirect_uri=WEB)
    browser = Browser(server)
    browser.open(flow["auth_uri"])
    assert answer_of(browser.sign_in(person))["code"]
