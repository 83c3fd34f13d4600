"""What people end for themselves, and what their applications' libraries then say."""

import re

import pytest

from test_sign_in import READ, WEB, Application, Browser, answer_of, make_person


@pytest.fixture
def signed_in(server):
    """A person whose application keeps access: the application, its account, the browser."""
    person, application = make_person(server, "reader"), Application(server)
    app = application.confidential()
    flow = app.initiate_auth_code_flow([READ], redirect_uri=WEB)
    browser = Browser(server)
    result = app.acquire_token_by_auth_code_flow(flow, answer_of(browser.through(flow["auth_uri"], person)))
    assert "access_token" in result, result
    return app, application, browser


def press(browser, step):
    """Sends the page's first form that takes a step."""
    forms = re.findall(r"<form method=\"post\" action=\"([^\"]*)\">(.*?)</form>", browser.page.text, re.DOTALL)
    [action, form] = next(form for form in forms if f'value="{step}"' in form[1])
    fields = dict(re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', form))
    return browser.visit(browser.session.post(browser.server.url + action, data=fields, allow_redirects=False, timeout=30))


def refresh(app):
    [account] = app.get_accounts()
    return app.acquire_token_silent_with_error([READ], account, force_refresh=True)


def test_access_is_taken_back(server, signed_in):
    app, application, browser = signed_in
    assert "access_token" in refresh(app)
    browser.open(server.url + "/portal/account")
    assert application.id in browser.page.text, browser.page.text
    press(browser, "ask")
    press(browser, "take-back")
    assert application.id not in browser.page.text, browser.page.text
    assert refresh(app)["error"] == "invalid_grant"
    # The next sign-in asks again.
    flow = application.confidential().initiate_auth_code_flow([READ], redirect_uri=WEB)
    assert browser.open(flow["auth_uri"]) is None
    assert "asks for permissions" in browser.page.text


def test_everything_ends(server, signed_in):
    app, _, browser = signed_in
    browser.open(server.url + "/portal/account/sessions")
    press(browser, "ask-all")
    press(browser, "end-all")
    assert 'autocomplete="current-password"' in browser.page.text, "signed out here, too"
    assert refresh(app)["error"] == "invalid_grant"
