"""Scripts written for `az`, taken literally: only the name of the program differs.

The lines are those of Microsoft's articles on the DICOM and FHIR services (sheet §6). They run on the data directory, and
against the server as a service principal that is signed in.
"""

import json
import os
import re
import subprocess

import pytest

from server import ADMIN_PASSWORD, binary, clean_environment


class Shell:
    """bash with an `az` that is hilum."""

    def __init__(self, folder, environment):
        commands = folder / "bin"
        commands.mkdir(exist_ok=True)
        if not (commands / "az").exists():
            (commands / "az").symlink_to(binary())
        self.folder = folder
        self.environment = {
            **clean_environment(),
            "PATH": f"{commands}:{os.environ['PATH']}",
            "HOME": str(folder),
            **environment,
        }
        self.environment.pop("XDG_CONFIG_HOME", None)

    def run(self, script, **variables):
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script], cwd=self.folder, env={**self.environment, **variables},
            capture_output=True, text=True, timeout=180, stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, f"{script}\n--- said ---\n{done.stdout}\n{done.stderr}"
        return done.stdout.strip()


@pytest.fixture(scope="module")
def here(server, tmp_path_factory):
    environment = {"HILUM_DATA": str(server.data)}
    if server.database:
        environment["HILUM_DATABASE"] = server.database
    return Shell(tmp_path_factory.mktemp("here"), environment)


@pytest.fixture(scope="module")
def elsewhere(server, here, tmp_path_factory):
    """Signed in as a service principal that is an administrator."""
    client = server.register("az scripts", role="Global Administrator")
    shell = Shell(tmp_path_factory.mktemp("elsewhere"), {})
    shell.run(
        'az login --service-principal -u "$ID" -p "$SECRET" --tenant "$TENANT" --server "$URL" --ca "$CA"',
        ID=client.app_id, SECRET=client.secret, TENANT=server.tenant, URL=server.url, CA=server.ca,
    )
    return shell


@pytest.fixture(params=["here", "elsewhere"])
def shell(request, here, elsewhere):
    return {"here": here, "elsewhere": elsewhere}[request.param]


def test_a_client_registered_by_script(shell):
    shell.run(
        """
        clientid=$(az ad app create --display-name "script $RANDOM$RANDOM" --query appId -o tsv)
        objectid=$(az ad app show --id $clientid --query objectId -o tsv)
        test -n "$objectid" -a "$objectid" = "$(az ad app show --id $clientid --query id -o tsv)"
        secret=$(az ad app credential reset --id $clientid --append --credential-description client-secret --years 2 \
            --query password -o tsv)
        test ${#secret} -ge 32
        az ad app update --id $clientid --set publicClient=true
        test "$(az ad app show --id $clientid --query isFallbackPublicClient -o tsv)" = true
        spid=$(az ad sp create --id $clientid --query objectId -o tsv)
        test "$spid" = "$(az ad sp show --id $clientid --query objectId -o tsv)"
        az ad app permission add --id $clientid --api 75e725bf-66ce-4cea-9b9a-5c4caae57f33 \
            --api-permissions e69ab058-b8ae-4c0f-b687-5d97888ddccb=Scope
        az ad app permission grant --id $clientid --api 75e725bf-66ce-4cea-9b9a-5c4caae57f33 --scope Dicom.ReadWrite
        test "$(az ad app permission list-grants --id $clientid --query '[0].scope' -o tsv)" = Dicom.ReadWrite
        az ad app delete --id $clientid
        set +e
        az ad app show --id $clientid
        test $? -eq 3
        """
    )


def test_requests_to_graph(shell):
    shell.run(
        """
        graphurl=https://graph.microsoft.com/v1.0/applications
        appid=$(az rest -m post -u $graphurl --headers 'Content-Type=application/json' --body '{"displayName":"rest"}' \
            --query appId -o tsv)
        objectid=$(az ad app show --id $appid --query objectId -o tsv)
        az rest --method PATCH --uri $graphurl/$objectid --headers 'Content-Type=application/json' \
            --body '{"publicClient":{"redirectUris":["https://www.getpostman.com/oauth2/callback"]}}'
        test "$(az rest -u $graphurl/$objectid --query 'publicClient.redirectUris[0]' -o tsv)" = \
            https://www.getpostman.com/oauth2/callback
        az rest -m delete -u $graphurl/$objectid
        """
    )


def test_a_role_and_a_token(here, server):
    token = here.run(
        """
        s=1 g=2 w=3 d=4
        made=$(az ad sp create-for-rbac --name "rbac $RANDOM$RANDOM" -o tsv --query '[appId, password]')
        clientid=$(echo "$made" | head -1) secret=$(echo "$made" | tail -1)
        spid=$(az ad sp show --id $clientid --query objectId -o tsv)
        az role assignment create --assignee-object-id $spid --assignee-principal-type ServicePrincipal \
            --role "DICOM Data Owner" --scope \
            subscriptions/$s/resourceGroups/$g/providers/Microsoft.HealthcareApis/workspaces/$w/dicomservices/$d -o none
        az role assignment list --assignee $clientid --query '[].roleDefinitionName' -o tsv | grep -q 'DICOM Data Owner'
        az account get-access-token --resource=https://dicom.healthcareapis.azure.com -u $clientid -p $secret \
            --query accessToken --output tsv
        """
    )
    assert server.session(token).get(server.dicom + "/studies", headers={"Accept": "application/dicom+json"}).ok


def test_a_service_principal_of_microsofts(here):
    answer = here.run(
        """
        az ad sp create --id 4f6778d8-5aef-43dc-a1ff-b073724b9495 >/dev/null 2>&1 || true
        az ad sp show --id 4f6778d8-5aef-43dc-a1ff-b073724b9495
        """
    )
    assert json.loads(answer)["appId"] == "4f6778d8-5aef-43dc-a1ff-b073724b9495"


def test_the_same_answers_here_and_elsewhere(here, elsewhere):
    for line in [
        "az ad app list --query 'sort_by([], &appId)[].[appId, displayName]' --all",
        "az ad sp show --id 75e725bf-66ce-4cea-9b9a-5c4caae57f33",
        "az ad sp list --spn https://dicom.healthcareapis.azure.com -o table",
    ]:
        assert here.run(line) == elsewhere.run(line), line


def fields(page):
    """The hidden and filled fields of a page's form."""
    found = {}
    for tag in re.findall(r"<input[^>]*>", page):
        name, value = re.search(r'name="([^"]*)"', tag), re.search(r'value="([^"]*)"', tag)
        if name:
            found[name.group(1)] = value.group(1) if value else ""
    return found


def approve(server, code):
    """What a person does in the browser: type the code, sign in, accept."""
    browser = server.session()
    steps = [
        {"user_code": code},
        {"username": server.account["adminUserPrincipalName"], "password": ADMIN_PASSWORD},
        {"decision": "accept"},
    ]
    answer = browser.get(server.url + "/devicelogin")
    for step in steps:
        form = answer.text.split("</form>")[0]
        where = server.url + re.search(r'action="([^"]*)"', form).group(1)
        answer = browser.post(where, data={**fields(form), **step}, headers={"Origin": server.url})
        assert answer.status_code == 200, answer.text


def test_an_administrator_signs_in_by_device_code(server, tmp_path):
    shell = Shell(tmp_path, {})
    words = [binary(), "login", "--server", server.url, "--ca", server.ca, "--use-device-code", "--tenant", server.tenant]
    login = subprocess.Popen(
        words, cwd=tmp_path, env=shell.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )
    try:
        message = login.stderr.readline()
        approve(server, re.search(r"code (\S+) to", message).group(1))
        out, err = login.communicate(timeout=60)
    finally:
        login.kill()
    assert login.returncode == 0, err
    assert json.loads(out)[-1]["user"] == {"name": server.account["adminUserPrincipalName"], "type": "user"}
    name = shell.run("az ad signed-in-user show --query userPrincipalName -o tsv")
    assert name == server.account["adminUserPrincipalName"]
    assert shell.run("az ad user list --query '[].userPrincipalName' -o tsv").splitlines()
    token = shell.run("az account get-access-token --resource-type dicom --query accessToken -o tsv")
    assert token.count(".") == 2
    shell.run("az logout")
