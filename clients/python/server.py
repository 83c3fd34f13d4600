"""Starts and steers `hilum` as a user would: through its command line, its files and its URLs."""

import ctypes
import json
import os
import secrets
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import requests

# Hilum's built-in resource application "Azure API for DICOM".
DICOM_APP_ID = "75e725bf-66ce-4cea-9b9a-5c4caae57f33"
DICOM_RESOURCE = "https://dicom.healthcareapis.azure.com"
DICOM_SCOPE = DICOM_RESOURCE + "/.default"

ADMIN_PASSWORD = "correct horse battery staple 4"
START_SECONDS = 60
PR_SET_PDEATHSIG = 1


def binary():
    """The program under test."""
    path = os.environ.get("HILUM_BIN")
    if not path:
        raise RuntimeError("set HILUM_BIN to the hilum program; `cargo xtask test clients` does")
    return path


def clean_environment():
    """Without our own HILUM_… variables, which the program would read as configuration."""
    return {name: value for name, value in os.environ.items() if not name.startswith("HILUM_")}


def die_with_parent():
    """In the child, before exec: no server outlives the test run, however that ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def psql(url, statement):
    """Runs one statement as the owner of the test cluster."""
    folder = os.environ.get("HILUM_TEST_POSTGRES_BIN")
    program = str(Path(folder) / "psql") if folder else "psql"
    subprocess.run([program, "--no-psqlrc", "--quiet", "-d", url, "-c", statement], check=True, timeout=60)


def new_postgres_database(base_url):
    """A fresh database in the cluster of `base_url`; returns its URL."""
    name = "hilum_" + secrets.token_hex(6)
    psql(base_url, f"CREATE DATABASE {name}")
    return base_url.rsplit("/", 1)[0] + "/" + name


class CommandFailed(Exception):
    """A command ended with a code other than 0."""

    def __init__(self, args, code, stderr):
        super().__init__(f"{' '.join(args)} ended with {code}: {stderr}")
        self.code = code
        self.stderr = stderr


@dataclass
class Client:
    """A registered service client."""

    app_id: str
    object_id: str
    service_principal_id: str
    secret: str | None = None
    certificate: object = None


@dataclass
class Server:
    """One data directory and, when started, one running server."""

    data: Path
    database: str | None = None
    config: Path | None = None
    serve_options: list = field(default_factory=list)
    listen: str = "127.0.0.1:0"
    process: subprocess.Popen | None = None
    run: dict = field(default_factory=dict)
    account: dict = field(default_factory=dict)

    # --- the command line -------------------------------------------------------------------------------------

    def common_options(self):
        options = ["--data", str(self.data)]
        if self.database:
            options += ["--database", self.database]
        return options

    def command(self, *args, input=None):
        """Runs a management command; its standard output as text."""
        words = [binary(), *args, *self.common_options()]
        done = subprocess.run(
            words, input=input, capture_output=True, text=True, timeout=120, env=clean_environment()
        )
        if done.returncode != 0:
            raise CommandFailed(words, done.returncode, done.stderr)
        return done.stdout

    def json(self, *args, input=None):
        """Runs a management command; its output as a value."""
        text = self.command(*args, "--output", "json", input=input)
        return json.loads(text) if text.strip() else None

    def init(self):
        out = self.command("init", "--admin-password-stdin", input=ADMIN_PASSWORD + "\n")
        self.account = json.loads(out)
        return self

    # --- the process ------------------------------------------------------------------------------------------

    @property
    def run_file(self):
        return self.data / "run" / "server.json"

    @property
    def log_path(self):
        return self.data.parent / (self.data.name + ".log")

    def start(self, wait=True):
        self.run_file.unlink(missing_ok=True)
        words = [binary(), "serve", *self.common_options(), "--listen", self.listen, *self.serve_options]
        if self.config:
            words += ["--config", str(self.config)]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=die_with_parent,
                env=clean_environment(),
            )
        if wait:
            self.await_ready()
        return self

    def await_ready(self, seconds=START_SECONDS):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"hilum ended with {self.process.returncode}:\n{self.log_tail()}")
            try:
                self.run = json.loads(self.run_file.read_text())
                if self.session().get(self.url + "/readyz", timeout=5).status_code == 200:
                    return
            except (OSError, ValueError, KeyError):
                pass
            time.sleep(0.05)
        raise RuntimeError(f"hilum was not ready within {seconds} s:\n{self.log_tail()}")

    def log_tail(self):
        try:
            return self.log_path.read_text(errors="replace")[-4000:]
        except OSError:
            return "(no log)"

    def kill(self):
        """SIGKILL: no chance to tidy up."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait(timeout=30)

    def stop(self):
        """SIGTERM, as a service manager does; then no mercy."""
        if not self.process or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.kill()
            raise RuntimeError("hilum did not end within 30 s of SIGTERM:\n" + self.log_tail()) from None

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    # --- URLs ---------------------------------------------------------------------------------------------------

    @property
    def url(self):
        return self.run["url"].rstrip("/")

    @property
    def host(self):
        return self.url.split("://", 1)[1]

    @property
    def ca(self):
        return str(self.data / "tls" / "ca.pem")

    @property
    def tenant(self):
        return self.account["tenantId"]

    @property
    def authority(self):
        return f"{self.url}/{self.tenant}"

    @property
    def token_url(self):
        return f"{self.authority}/oauth2/v2.0/token"

    @property
    def dicom(self):
        return self.url + "/dicom/v2"

    def session(self, token=None):
        session = requests.Session()
        session.verify = self.ca
        session.trust_env = False
        session.mount("https://", requests.adapters.HTTPAdapter(pool_maxsize=32))
        if token:
            session.headers["Authorization"] = f"Bearer {token}"
        return session

    # --- registrations --------------------------------------------------------------------------------------------

    def register(self, name, role="DICOM Data Owner", secret=True):
        """What the articles do for a service client: application, service principal, secret, role."""
        name = f"{name} {secrets.token_hex(4)}"
        app = self.json("app", "create", "--display-name", name)
        principal = self.json("sp", "create", "--id", app["appId"])
        client = Client(app["appId"], app["id"], principal["id"])
        if secret:
            client.secret = self.json("app", "credential", "reset", "--id", client.app_id, "--append")["password"]
        if role:
            self.assign(client, role)
        return client

    def assign(self, client, role):
        self.json(
            *("role", "assignment", "create", "--assignee-object-id", client.service_principal_id),
            *("--assignee-principal-type", "ServicePrincipal", "--role", role, "--scope", "/"),
        )

    def ask_token(self, client, **changes):
        """The token endpoint's answer to a client-credentials request with changed or, by None, removed fields."""
        form = {
            "grant_type": "client_credentials",
            "client_id": client.app_id,
            "client_secret": client.secret,
            "scope": DICOM_SCOPE,
        }
        form.update(changes)
        form = {name: value for name, value in form.items() if value is not None}
        return self.session().post(self.token_url, data=form, timeout=30)

    def token(self, client):
        answer = self.ask_token(client)
        assert answer.status_code == 200, answer.text
        return answer.json()["access_token"]


def remove(server):
    """Stops a server and removes its data."""
    server.kill()
    shutil.rmtree(server.data, ignore_errors=True)
