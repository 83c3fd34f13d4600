"""Authlib: its session for scripts, and a web application with its Flask integration."""

import flask
import pytest
from authlib.common.security import generate_token
from authlib.integrations.flask_client import OAuth
from authlib.integrations.requests_client import OAuth2Session

from server import DICOM_SCOPE
from test_sign_in import READ, WEB, Application, Browser, answer_of, make_person
from tokens import claims, is_accepted

WORDS = f"openid profile offline_access {READ}"


@pytest.fixture(scope="module")
def application(server):
    return Application(server)


@pytest.fixture
def person(server):
    return make_person(server, "author")


@pytest.fixture
def metadata(server):
    return server.session().get(f"{server.authority}/v2.0/.well-known/openid-configuration", timeout=30).json()


def session(server, application, **more):
    made = OAuth2Session(application.id, application.secret, token_endpoint_auth_method="client_secret_post", **more)
    made.verify = server.ca
    made.trust_env = False
    return made


def test_code_with_pkce_refreshing_and_user_info(server, application, person, metadata):
    client = session(server, application, scope=WORDS, redirect_uri=WEB, code_challenge_method="S256")
    verifier = generate_token(48)
    url, state = client.create_authorization_url(metadata["authorization_endpoint"], code_verifier=verifier, nonce="n")
    location = Browser(server).through(url, person)
    token = client.fetch_token(
        metadata["token_endpoint"], authorization_response=location, state=state, code_verifier=verifier
    )
    assert claims(token["access_token"])["upn"] == person
    assert claims(token["id_token"])["nonce"] == "n"
    assert is_accepted(server, token["access_token"])
    assert client.get(metadata["userinfo_endpoint"], timeout=30).json()["name"] == "author"
    renewed = client.refresh_token(metadata["token_endpoint"], refresh_token=token["refresh_token"])
    assert renewed["access_token"] != token["access_token"]
    assert is_accepted(server, renewed["access_token"])


def test_client_credentials(server, owner, metadata):
    client = OAuth2Session(owner.app_id, owner.secret, scope=DICOM_SCOPE)
    client.verify, client.trust_env = server.ca, False
    # By HTTP Basic, which is Authlib's default.
    token = client.fetch_token(metadata["token_endpoint"], grant_type="client_credentials")
    assert is_accepted(server, token["access_token"])
    assert client.get(f"{server.dicom}/studies?limit=1", timeout=30).status_code in (200, 204)


def test_a_flask_application(server, application, person):
    app = flask.Flask(__name__)
    app.secret_key = generate_token(32)
    oauth = OAuth(app)
    oauth.register(
        "hilum", client_id=application.id, client_secret=application.secret,
        server_metadata_url=f"{server.authority}/v2.0/.well-known/openid-configuration",
        client_kwargs={"scope": WORDS, "code_challenge_method": "S256", "verify": server.ca, "trust_env": False},
    )

    @app.get("/login")
    def login():
        return oauth.hilum.authorize_redirect(WEB)

    @app.get("/callback")
    def callback():
        # Checks state and nonce, and the ID token's signature, issuer, audience and time.
        token = oauth.hilum.authorize_access_token()
        return {"user": token["userinfo"], "info": oauth.hilum.userinfo(token=token), "token": token["access_token"]}

    with app.test_client() as visitor:
        url = visitor.get("/login").headers["Location"]
        assert "code_challenge_method=S256" in url and "nonce=" in url
        answer = answer_of(Browser(server).through(url, person))
        assert visitor.get("/callback", query_string=answer | {"state": "another"}).status_code == 500, "state counts"
        url = visitor.get("/login").headers["Location"]
        browser = Browser(server)
        answer = answer_of(browser.through(url, person))
        found = visitor.get("/callback", query_string=answer).get_json()
    assert found["user"]["preferred_username"] == person
    assert found["info"]["sub"] == found["user"]["sub"]
    assert is_accepted(server, found["token"])
