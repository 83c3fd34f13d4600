"""azure-identity in a web application that receives the code itself: AuthorizationCodeCredential, which asks for no discovery
document and sends no PKCE verifier."""

import asyncio
import ssl

import aiohttp
import pytest
import requests
from azure.core.pipeline.transport import AioHttpTransport
from azure.identity import AuthorizationCodeCredential
from azure.identity.aio import AuthorizationCodeCredential as AioAuthorizationCodeCredential

from test_sign_in import READ, WEB, Application, Browser, answer_of, make_person
from tokens import claims, is_accepted


@pytest.fixture(scope="module")
def application(server):
    return Application(server)


@pytest.fixture
def received(server, application):
    """What the application receives of somebody who signs in: the arguments of the credential."""
    name = make_person(server, "coded")
    query = {
        "client_id": application.id, "response_type": "code", "redirect_uri": WEB, "response_mode": "query",
        "scope": f"{READ} offline_access", "state": "s",
    }
    url = requests.Request("GET", f"{server.authority}/oauth2/v2.0/authorize", params=query).prepare().url
    code = answer_of(Browser(server).through(url, name))["code"]
    return name, {
        "tenant_id": server.tenant, "client_id": application.id, "authorization_code": code, "redirect_uri": WEB,
        "client_secret": application.secret, "authority": server.url,
    }


def test_a_code_that_the_application_received(server, received):
    name, arguments = received
    credential = AuthorizationCodeCredential(**arguments, connection_verify=server.ca)
    token = credential.get_token(READ).token
    assert claims(token)["upn"] == name
    assert is_accepted(server, token)
    assert credential.get_token(READ).token == token


def test_the_same_asynchronously(server, received):
    name, arguments = received

    async def ask():
        context = ssl.create_default_context(cafile=server.ca)
        session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context))
        transport = AioHttpTransport(session=session, session_owner=True)
        async with AioAuthorizationCodeCredential(**arguments, transport=transport) as credential:
            return (await credential.get_token(READ)).token

    token = asyncio.run(ask())
    assert claims(token)["upn"] == name
    assert is_accepted(server, token)
