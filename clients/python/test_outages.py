"""What the server stands on goes away and comes back: the database, room on the disk."""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from dicom_files import image, instance_path, part10, uids
from server import Server, die_with_parent

JSON = {"Accept": "application/dicom+json"}
DICOM = JSON | {"Content-Type": "application/dicom"}
AS_STORED = {"Accept": "application/dicom; transfer-syntax=*"}


class Postgres:
    """A PostgreSQL of our own, to stop and start."""

    def __init__(self, folder):
        self.bin = Path(os.environ.get("HILUM_TEST_POSTGRES_BIN", "/usr/lib/postgresql/15/bin"))
        if not (self.bin / "initdb").exists():
            pytest.skip("PostgreSQL is not installed here")
        self.folder = folder
        self.user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
        if self.user:
            shutil.chown(folder, "postgres", "postgres")
            for parent in list(folder.parents)[:3]:  # pytest's folders are closed to others
                parent.chmod(parent.stat().st_mode | 0o011)
        self.data = str(folder / "data")
        subprocess.run(
            [self.bin / "initdb", "-U", "postgres", "--auth=trust", "--locale=C", "-E", "UTF8", "--no-sync", "-D", self.data],
            check=True, capture_output=True, cwd=folder, **self.user,
        )
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.process = None

    @property
    def url(self):
        return f"postgres://postgres@127.0.0.1:{self.port}/postgres"

    def start(self):
        self.process = subprocess.Popen(
            [self.bin / "postgres", "-D", self.data, "-h", "127.0.0.1", "-p", str(self.port), "-c", "unix_socket_directories="],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.folder,
            preexec_fn=die_with_parent, **self.user,
        )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            ready = [self.bin / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
            if subprocess.run(ready).returncode == 0:
                return self
            time.sleep(0.1)
        raise RuntimeError("PostgreSQL did not start")

    def stop(self):
        """Immediate: every connection breaks."""
        self.process.send_signal(subprocess.signal.SIGQUIT)
        self.process.wait(timeout=30)


def answers_within(seconds, server, path, status):
    """Whether a probe comes to answer with this status in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if server.session().get(server.url + path, timeout=90).status_code == status:
            return True
        time.sleep(0.2)
    return False


@pytest.mark.slow
def test_database_goes_away_and_comes_back(own_server, tmp_path):
    postgres = Postgres(tmp_path).start()
    server = own_server(database=postgres.url)
    session = server.session(server.token(server.register("tests outage")))
    before = image()
    assert session.post(server.dicom + "/studies", data=part10(before), headers=DICOM).status_code == 200
    postgres.stop()
    try:
        lost = image()
        answer = session.post(server.dicom + "/studies", data=part10(lost), headers=DICOM, timeout=90)
        assert answer.status_code == 503, answer.text
        assert session.get(server.dicom + "/studies", headers=JSON, timeout=90).status_code == 503
        # Alive, and says within seconds that it is not ready: the probes remember their last look for a moment.
        assert server.session().get(server.url + "/healthz", timeout=90).status_code == 200
        assert answers_within(20, server, "/readyz", 503)
        assert answers_within(20, server, "/health/check", 503)
    finally:
        postgres.start()
    server.await_ready()
    assert session.get(server.dicom + instance_path(*uids(before)), headers=AS_STORED).content == part10(before)
    assert session.get(server.dicom + instance_path(*uids(lost)), headers=AS_STORED).status_code == 404
    assert session.post(server.dicom + "/studies", data=part10(lost), headers=DICOM).status_code == 200
    server.stop()
    postgres.stop()


@pytest.fixture
def small_disk(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", folder], capture_output=True, text=True)
    if mount.returncode != 0:
        pytest.skip(f"may not mount: {mount.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=False)


@pytest.mark.slow
def test_disk_full(small_disk):
    server = Server(small_disk / "data").init()
    server.config = None
    server.start()
    try:
        session = server.session(server.token(server.register("tests disk")))
        first = image()
        assert session.post(server.dicom + "/studies", data=part10(first), headers=DICOM).status_code == 200
        stored, refused = [first], None
        for _ in range(200):
            dataset = image(rows=1024, columns=1024)
            answer = session.post(server.dicom + "/studies", data=part10(dataset), headers=DICOM, timeout=60)
            if answer.status_code != 200:
                refused = dataset
                break
            stored.append(dataset)
        assert refused is not None, "64 MB held more than 64 MB"
        assert answer.status_code in (409, 500, 503, 507), answer.text
        assert server.is_running()
        for dataset in stored:
            found = session.get(server.dicom + instance_path(*uids(dataset)), headers=AS_STORED)
            assert found.content == part10(dataset)
        assert session.get(server.dicom + instance_path(*uids(refused)), headers=AS_STORED).status_code == 404
        # With room again, all is well again. Deleted files stay for their grace period, so the disk itself grows.
        subprocess.run(["mount", "-o", "remount,size=256m", small_disk], check=True)
        answer = session.post(server.dicom + "/studies", data=part10(refused), headers=DICOM)
        assert answer.status_code == 200, answer.text
    finally:
        server.kill()
