"""Signing in through another OpenID Connect provider: oidc-provider from npm, its own pages, real redirects."""

import html
import json
import re
import secrets
import subprocess
from pathlib import Path
from urllib.parse import parse_qs, urljoin, urlsplit

import pytest
import requests

from server import die_with_parent
from test_sign_in import PASSWORD, READ, WEB, Application, Browser, answer_of, make_person
from tokens import claims, is_accepted

CONFIG = """
[[identity.providers]]
id = "hospital"
name = "the hospital"
issuer = "{issuer}"
client_id = "{client_id}"
client_secret = "{client_secret}"
linking = "{linking}"
domains = ["hospital.example"]
allow_http_loopback = true
"""


class Provider:
    """The provider's process. It learns where to send people back to once Hilum has a port."""

    def __init__(self):
        script = Path(__file__).parent.parent / "node" / "support" / "provider.mjs"
        self.process = subprocess.Popen(
            ["node", str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            preexec_fn=die_with_parent,
        )
        line = self.process.stdout.readline()
        assert line, "oidc-provider did not start"
        self.about = json.loads(line)

    def serve(self, redirect_uri):
        self.process.stdin.write(redirect_uri + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline().strip() == "serving"


@pytest.fixture(scope="module", params=["existing", "email", "create"])
def federated(request, own_server, tmp_path_factory):
    """A server whose users sign in at a provider, by each rule of linking."""
    provider = Provider()
    config = tmp_path_factory.mktemp("config") / "hilum.toml"
    config.write_text(CONFIG.format(linking=request.param, **provider.about))
    server = own_server(config=config)
    provider.serve(server.url + "/common/federation/oauth2/hospital")
    server.linking, server.issuer = request.param, provider.about["issuer"]
    server.application = Application(server)
    yield server
    provider.process.kill()


class Person(Browser):
    """A browser that goes to the provider's pages, too, with its own cookies there."""

    def __init__(self, server):
        super().__init__(server)
        self.there = requests.Session()

    def leave(self):
        """Presses the provider's button; where the browser is sent."""
        text = self.page.text
        form = next(part for part in text.split("<form ") if 'value="elsewhere"' in part)
        assert "Sign in with the hospital" in form
        hidden = dict(re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', form))
        fields = {name: html.unescape(value) for name, value in hidden.items()}
        answer = self.session.post(self.server.url + "/common/login", data=fields, allow_redirects=False, timeout=30)
        assert answer.status_code == 303, answer.text
        return answer.headers["Location"]

    def sign_in_there(self, url, name):
        """Through the provider's own pages; the address it sends the browser back to."""
        answer = self.there.get(url, allow_redirects=False, timeout=30)
        for _ in range(20):
            if answer.is_redirect:
                location = urljoin(answer.url, answer.headers["Location"])
                if location.startswith(self.server.url):
                    return location
                answer = self.there.get(location, allow_redirects=False, timeout=30)
                continue
            assert answer.status_code == 200, answer.text
            action = html.unescape(re.search(r'<form[^>]* action="([^"]*)"', answer.text).group(1))
            prompt = re.search(r'name="prompt" value="([^"]*)"', answer.text).group(1)
            fields = {"prompt": prompt} | ({"login": name, "password": "any"} if prompt == "login" else {})
            answer = self.there.post(urljoin(answer.url, action), data=fields, allow_redirects=False, timeout=30)
        raise AssertionError("the provider goes round in circles")

    def through_provider(self, url, name):
        self.open(url)
        back = self.sign_in_there(self.leave(), name)
        return self.open(back)


def asking(server, **more):
    app = server.application.confidential()
    return app, app.initiate_auth_code_flow([READ], redirect_uri=WEB, **more)


def link(server, upn, subject):
    server.command("user", "identity", "add", "--id", upn, "--issuer", server.issuer, "--subject", subject)


def grant_reading(server, upn):
    user = server.json("user", "show", "--id", upn)
    server.json(
        *("role", "assignment", "create", "--assignee-object-id", user["id"], "--assignee-principal-type", "User"),
        *("--role", "DICOM Data Reader", "--scope", "/"),
    )


def test_a_linked_user(federated):
    upn, subject = make_person(federated, "linked"), f"linked-{secrets.token_hex(3)}"
    link(federated, upn, subject)
    listed = federated.json("user", "identity", "list", "--id", upn)
    assert listed == [{"issuer": federated.issuer, "issuerAssignedId": subject, "signInType": "federated"}]
    app, flow = asking(federated)
    person = Person(federated)
    assert person.through_provider(flow["auth_uri"], subject) is None
    result = app.acquire_token_by_auth_code_flow(flow, answer_of(person.accept()))
    found = claims(result["access_token"])
    assert found["upn"] == upn and found["idp"] == federated.issuer
    assert is_accepted(federated, result["access_token"])
    [account] = app.get_accounts()
    renewed = app.acquire_token_silent([READ], account, force_refresh=True)
    assert claims(renewed["access_token"])["idp"] == federated.issuer

    # Parted: the session has ended, the refresh token is worth nothing, the provider's word no longer counts.
    federated.command(*("user", "identity", "remove", "--id", upn), "--issuer", federated.issuer, "--subject", subject)
    assert "access_token" not in app.acquire_token_silent_with_error([READ], account, force_refresh=True)
    person.open(asking(federated)[1]["auth_uri"])
    assert "<h1>Sign in</h1>" in person.page.text
    again = Person(federated)
    if federated.linking != "create":
        again.through_provider(asking(federated)[1]["auth_uri"], subject)
        assert again.page.status_code == 403 and "AADSTS50020" in again.page.text, again.page.text
        # The page goes on: the same person signs in with a password.
        again.sign_in(upn, PASSWORD)
        assert again.page is None or "asks for permissions" in again.page.text


def test_who_is_not_linked(federated):
    name = f"reader{secrets.token_hex(3)}"
    app, flow = asking(federated)
    person = Person(federated)
    if federated.linking == "email":
        upn = make_person(federated, "mailed")
        federated.command("user", "update", "--id", upn, "--mail", f"{name}@hospital.example")
    person.through_provider(flow["auth_uri"], name)
    if federated.linking == "existing":
        assert "AADSTS50020" in person.page.text and name in person.page.text
        return
    result = app.acquire_token_by_auth_code_flow(flow, answer_of(person.accept()))
    found = claims(result["access_token"])
    if federated.linking == "create":
        upn = f"{name}_hospital.example#EXT#@{federated.account['domain']}"
        assert federated.json("user", "show", "--id", upn, "--query", "mail") == f"{name}@hospital.example"
        assert not is_accepted(federated, result["access_token"]), "a guest has no role yet"
        grant_reading(federated, upn)
    assert found["upn"] == upn


def test_an_address_that_nobody_verified(federated):
    person = Person(federated)
    upn = make_person(federated, "unverified")
    name = f"eve{secrets.token_hex(3)}"
    federated.command("user", "update", "--id", upn, "--mail", f"{name}@hospital.example")
    person.through_provider(asking(federated)[1]["auth_uri"], name + "?")
    assert "AADSTS50020" in person.page.text, person.page.text


def test_a_new_sign_in_is_made_at_the_provider(federated):
    upn, subject = make_person(federated, "anew"), f"anew-{secrets.token_hex(3)}"
    link(federated, upn, subject)
    person = Person(federated)
    person.through_provider(asking(federated)[1]["auth_uri"], subject)
    person.accept()
    # Single sign-on there: no page of the provider this time, because nothing new is asked.
    other = Person(federated)
    other.there = person.there
    other.open(asking(federated)[1]["auth_uri"])
    answer = other.there.get(other.leave(), allow_redirects=False, timeout=30)
    while answer.is_redirect and not answer.headers["Location"].startswith(federated.url):
        answer = other.there.get(urljoin(answer.url, answer.headers["Location"]), allow_redirects=False, timeout=30)
    assert answer.is_redirect, answer.text
    # prompt=login reaches the provider, which asks again.
    person.open(asking(federated, prompt="login")[1]["auth_uri"])
    url = person.leave()
    assert parse_qs(urlsplit(url).query)["prompt"] == ["login"]
    back = person.sign_in_there(url, subject)
    assert person.open(back) is not None, "signed in anew, and asked nothing more"


def test_a_hint_leads_straight_there(federated):
    answer = Browser(federated).session.get(
        asking(federated, domain_hint="hospital.example")[1]["auth_uri"], allow_redirects=False, timeout=30
    )
    assert answer.status_code == 303 and answer.headers["Location"].startswith(federated.issuer + "/auth?")


def test_another_browser_s_answer(federated):
    """Login CSRF: an answer that was meant for another browser signs nobody in here."""
    attacker, victim = Person(federated), Person(federated)
    attacker.open(asking(federated)[1]["auth_uri"])
    back = attacker.sign_in_there(attacker.leave(), f"attacker-{secrets.token_hex(3)}")
    victim.open(asking(federated)[1]["auth_uri"])
    victim.open(back)
    assert victim.page.status_code == 403
    assert not any("session" in cookie.name for cookie in victim.session.cookies)
