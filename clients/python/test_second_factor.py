"""Second factors with a real authenticator library, and with MSAL as it is."""

import html
import json
import re
import time

import pyotp
import pytest

from test_sign_in import PASSWORD, READ, WEB, Application, Browser, answer_of, make_person
from tokens import claims


@pytest.fixture
def guarded(server):
    """An application that requires a second factor."""
    application = Application(server)
    server.json("policy", "second-factor", "set", "--require-for-application", application.id)
    yield application
    server.json("policy", "second-factor", "set", "--release-application", application.id)


def app_of(page):
    """What an authenticator app makes of the page's QR code."""
    return pyotp.parse_uri(html.unescape(re.search(r'href="(otpauth:[^"]*)"', page.text).group(1)))


def finished(browser, location):
    """On to the client, by the consent page where it comes."""
    return location or (browser.accept() if "asks for permissions" in browser.page.text else None)


def redeem(client, flow, location):
    return client.acquire_token_by_auth_code_flow(flow, answer_of(location))


def test_a_person_registers_an_app_and_is_asked_for_its_codes(server, guarded):
    person = make_person(server, "careful")
    client = guarded.confidential()
    flow = client.initiate_auth_code_flow([READ], redirect_uri=WEB)
    browser = Browser(server)
    browser.open(flow["auth_uri"])
    browser.sign_in(person)
    totp = app_of(browser.page)
    assert totp.name == person and (totp.digits, totp.interval) == (6, 30)
    browser.submit(code=totp.now())
    codes = re.findall(r"<li><code>([0-9A-Z-]+)</code>", browser.page.text)
    assert len(codes) == 10
    result = redeem(client, flow, finished(browser, browser.submit()))
    assert claims(result["access_token"])["amr"] == ["pwd", "otp", "mfa"]

    # Another browser: a code of now is used up, a recovery code lets in, and MSAL renews without asking.
    flow = client.initiate_auth_code_flow([READ], redirect_uri=WEB)
    browser = Browser(server)
    browser.open(flow["auth_uri"])
    browser.sign_in(person)
    assert "Show that it is you" in browser.page.text
    browser.submit(code="000000")
    assert browser.page.status_code == 400
    location = browser.submit(step="recovery", code=codes[0])
    result = redeem(client, flow, finished(browser, location))
    assert claims(result["access_token"])["amr"] == ["pwd", "otp", "mfa"]
    account = client.get_accounts()[0]
    again = client.acquire_token_silent([READ], account, force_refresh=True)
    assert claims(again["access_token"])["amr"] == ["pwd", "otp", "mfa"]

    known = server.json("user", "authentication-method", "list", "--id", person)
    assert known["recoveryCodesLeft"] == 9
    assert [method["@odata.type"] for method in known["methods"]] == [
        "#microsoft.graph.softwareOathAuthenticationMethod"
    ]
    server.command("user", "authentication-method", "reset", "--id", person)
    assert "error" in client.acquire_token_silent_with_error([READ], account, force_refresh=True)


def test_the_next_code_of_the_app_lets_in(server, guarded):
    person = make_person(server, "patient")
    browser = Browser(server)
    url = guarded.confidential().initiate_auth_code_flow([READ], redirect_uri=WEB)["auth_uri"]
    browser.open(url)
    browser.sign_in(person)
    totp = app_of(browser.page)
    browser.submit(code=totp.now())
    again = Browser(server)
    again.open(url)
    again.sign_in(person)
    # The clocks of app and server may differ by one step: no need to wait for it.
    assert finished(again, again.submit(code=totp.at(int(time.time()) + 30))) is not None


def test_a_new_requirement_reaches_sessions_that_are_there(server):
    person = make_person(server, "early")
    application = Application(server)
    client = application.confidential()
    flow = client.initiate_auth_code_flow([READ], redirect_uri=WEB)
    browser = Browser(server)
    result = redeem(client, flow, browser.through(flow["auth_uri"], person))
    assert claims(result["access_token"])["amr"] == ["pwd"]
    server.json("policy", "second-factor", "set", "--require-for-application", application.id)
    refused = client.acquire_token_silent_with_error([READ], client.get_accounts()[0], force_refresh=True)
    assert refused["error"] == "interaction_required" and refused["error_codes"] == [50079]
    # What MSAL does then: it sends the user, whose session is asked for what it lacks.
    flow = client.initiate_auth_code_flow([READ], redirect_uri=WEB)
    browser.open(flow["auth_uri"])
    browser.submit(code=app_of(browser.page).now())
    result = redeem(client, flow, finished(browser, browser.submit()))
    assert "mfa" in claims(result["access_token"])["amr"]
    policy = server.json("policy", "second-factor", "set", "--release-application", application.id)
    assert application.id not in json.dumps(policy)
