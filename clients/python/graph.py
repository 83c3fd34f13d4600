"""Microsoft Graph's own SDK, unmodified, pointed at a server of one's own; and callers with rights to use it."""

import asyncio
import ssl
from urllib.parse import urlsplit

import httpx
from azure.identity import ClientSecretCredential, DeviceCodeCredential
from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph_core import GraphClientFactory

from server import ADMIN_PASSWORD
from test_delegated import let_in

GRAPH = "https://graph.microsoft.com"
GRAPH_APP_ID = "00000003-0000-0000-c000-000000000000"
# The public client that `az login` uses; every installation knows it.
AZURE_CLI = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"


class Graph:
    """The SDK with one credential. Its calls are asynchronous; `wait` ends them, so that tests read from top to bottom."""

    def __init__(self, server, credential, scopes=(GRAPH + "/.default",)):
        self.loop = asyncio.new_event_loop()
        # Without its port: the SDK sends no token to hosts that are not named here.
        host = urlsplit(server.url).hostname
        provider = AzureIdentityAuthenticationProvider(credential, scopes=list(scopes), allowed_hosts=[host])
        trust = ssl.create_default_context(cafile=server.ca)
        self.http = httpx.AsyncClient(verify=trust, trust_env=False, timeout=30)
        adapter = GraphRequestAdapter(provider, GraphClientFactory.create_with_default_middleware(client=self.http))
        adapter.base_url = server.url + "/v1.0"
        self.adapter = adapter
        self.client = GraphServiceClient(request_adapter=adapter)

    def wait(self, call):
        return self.loop.run_until_complete(call)

    def close(self):
        self.wait(self.http.aclose())
        self.loop.close()


def azure_options(server):
    return {"authority": server.url, "disable_instance_discovery": True, "connection_verify": server.ca}


def secret_credential(server, client):
    return ClientSecretCredential(server.tenant, client.app_id, client.secret, **azure_options(server))


def user_credential(server, name, password):
    """A user of the Azure CLI who signs in at the device page when a token is first wanted."""

    def prompt(uri, code, _expires):
        let_in(server, uri, code, name, password)

    return DeviceCodeCredential(AZURE_CLI, tenant_id=server.tenant, prompt_callback=prompt, **azure_options(server))


def admin_credential(server):
    return user_credential(server, server.account["adminUserPrincipalName"], ADMIN_PASSWORD)


def allow_graph(server, client, *permissions):
    """What the articles do in the portal: API permissions, then admin consent."""
    roles = server.json("sp", "show", "--id", GRAPH_APP_ID)["appRoles"]
    known = {role["value"]: role["id"] for role in roles}
    wanted = [f"{known[permission]}=Role" for permission in permissions]
    server.command("app", "permission", "add", "--id", client.app_id, "--api", GRAPH_APP_ID, "--api-permissions", *wanted)
    server.command("app", "permission", "admin-consent", "--id", client.app_id)
    return client


def register_automation(server, name, *permissions):
    """A service client that manages registrations."""
    return allow_graph(server, server.register(name, role=None), *permissions)
