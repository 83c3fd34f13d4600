"""An application on a desktop: opens the system's browser, waits for the answer on the loopback address, and asks for further
tokens. Reads its task from standard input, prints what it got as JSON."""

import json
import sys

import msal
from azure.identity import InteractiveBrowserCredential


def with_msal(task):
    app = msal.PublicClientApplication(
        task["client_id"], authority=task["authority"], instance_discovery=False, verify=task["ca"]
    )
    result = app.acquire_token_interactive([task["scope"]], timeout=60)
    if "access_token" not in result:
        return result
    [account] = app.get_accounts()
    renewed = app.acquire_token_silent([task["scope"]], account, force_refresh=True)
    return {"first": result["access_token"], "second": renewed["access_token"]}


def with_azure_identity(task):
    url, tenant = task["authority"].rsplit("/", 1)
    credential = InteractiveBrowserCredential(
        tenant_id=tenant, client_id=task["client_id"], authority=url, redirect_uri=task["redirect_uri"],
        disable_instance_discovery=True, connection_verify=task["ca"], timeout=60,
    )
    record = credential.authenticate(scopes=[task["scope"]])
    return {"first": credential.get_token(task["scope"]).token, "username": record.username}


task = json.load(sys.stdin)
json.dump({"msal": with_msal, "azure-identity": with_azure_identity}[task["kind"]](task), sys.stdout)
