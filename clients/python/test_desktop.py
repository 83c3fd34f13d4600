"""MSAL and azure-identity open the system's browser, a real Chromium, in which a person signs in."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from server import clean_environment
from test_sign_in import PASSWORD, READ, Application, free_port, make_person
from tokens import claims, is_accepted

VISIT = Path(__file__).parent.parent / "node" / "support" / "visit.mjs"


@pytest.fixture
def run(server, tmp_path):
    """Runs the desktop application, for a person who was never here; what it got, and who it was."""

    def run(kind):
        name = make_person(server, "desktop")
        who = {"ca": server.ca, "origin": server.url, "person": name, "password": PASSWORD}
        # How desktops say which browser it is, and what Python's webbrowser reads; with & it is not waited for.
        browser = f"{shutil.which('node')} {shlex.quote(str(VISIT))} %s &"
        environment = clean_environment() | {"BROWSER": browser, "HILUM_TEST_PERSON": json.dumps(who)}
        if chromium := os.environ.get("HILUM_TEST_CHROMIUM"):
            environment["HILUM_TEST_CHROMIUM"] = chromium
        task = {
            "kind": kind, "client_id": Application(server).id, "authority": server.authority, "scope": READ,
            "redirect_uri": f"http://localhost:{free_port()}", "ca": server.ca,
        }
        done = subprocess.run(
            [sys.executable, str(Path(__file__).parent / "desktop.py")], input=json.dumps(task), env=environment,
            capture_output=True, text=True, timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout), name, done.stderr

    return run


def test_msal_opens_the_browser(server, run):
    result, name, log = run("msal")
    assert "first" in result, f"{result} {log}"
    assert claims(result["first"])["upn"] == name
    assert result["second"] != result["first"] and is_accepted(server, result["second"])


def test_azure_identity_opens_the_browser(server, run):
    result, name, _ = run("azure-identity")
    assert result["username"] == name
    assert claims(result["first"])["upn"] == name
    assert is_accepted(server, result["first"])
