"""SIGKILL at random moments of concurrent stores: what was acknowledged is whole, nothing is half there."""

import random
import threading
import time

import pytest
import requests

from conftest import database_url
from dicom_files import image, instance_path, multipart, part10, stored_uids, uids

JSON = {"Accept": "application/dicom+json"}
AS_STORED = {"Accept": "application/dicom; transfer-syntax=*"}
ROUNDS = 5
THREADS = 4


class Writer(threading.Thread):
    """Stores new instances, one to three per request, until the server is gone."""

    def __init__(self, server, token, seed):
        super().__init__(daemon=True)
        self.server, self.token, self.random = server, token, random.Random(seed)
        self.sent = {}  # (study, series, instance) → content
        self.acknowledged = set()
        self.over = threading.Event()

    def run(self):
        session = self.server.session(self.token)
        url = self.server.dicom + "/studies"
        while not self.over.is_set():
            first = image()
            datasets = [first] + [
                image(study=first.StudyInstanceUID, series=first.SeriesInstanceUID, rows=self.random.choice((8, 300)))
                for _ in range(self.random.randrange(3))
            ]
            contents = {uids(dataset): part10(dataset) for dataset in datasets}
            self.sent.update(contents)
            body, content_type = multipart(contents.values())
            try:
                answer = session.post(url, data=body, headers=JSON | {"Content-Type": content_type}, timeout=30)
            except requests.exceptions.RequestException:
                return
            if answer.status_code in (200, 202):
                stored = set(stored_uids(answer))
                self.acknowledged |= {key for key in contents if key[2] in stored}


def assert_consistent(session, server, sent, acknowledged):
    """Every acknowledged instance is whole; every other is whole or not there at all; all three doors agree."""
    whole = 0
    for key, content in sent.items():
        path = server.dicom + instance_path(*key)
        answer = session.get(path, headers=AS_STORED, timeout=30)
        if answer.status_code == 404:
            assert key not in acknowledged, f"{key} was acknowledged and is gone"
        else:
            assert answer.status_code == 200, f"{key} is half there: {answer.status_code} {answer.text}"
            assert answer.content == content, f"{key} came back changed"
            whole += 1
        there = answer.status_code == 200
        metadata = session.get(path + "/metadata", headers=JSON, timeout=30)
        assert metadata.status_code == (200 if there else 404)
        study, series, instance = key
        found = session.get(
            f"{server.dicom}/studies/{study}/series/{series}/instances?SOPInstanceUID={instance}",
            headers=JSON, timeout=30,
        )
        assert found.status_code == (200 if there else 204)
        assert there == (instance in [item["00080018"]["Value"][0] for item in (found.json() if there else [])])
    return whole


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_killed_at_random_moments(own_server, kind):
    server = own_server(database=database_url(kind))
    owner = server.register("tests crash")
    chance = random.Random(20260131)
    sent, acknowledged = {}, set()
    for round_number in range(ROUNDS):
        token = server.token(owner)
        writers = [Writer(server, token, seed=round_number * THREADS + number) for number in range(THREADS)]
        for writer in writers:
            writer.start()
        time.sleep(chance.uniform(0.3, 2.5))
        server.kill()
        for writer in writers:
            writer.over.set()
            writer.join(timeout=60)
            sent.update(writer.sent)
            acknowledged |= writer.acknowledged
        server.start()
        session = server.session(server.token(owner))
        latest = {key: content for writer in writers for key, content in writer.sent.items()}
        assert_consistent(session, server, latest, acknowledged)
    session = server.session(server.token(owner))
    whole = assert_consistent(session, server, sent, acknowledged)
    assert len(acknowledged) > ROUNDS, "hardly anything was stored between the kills"
    # What was not there after a kill can be stored now: nothing of it blocks the place.
    for key, content in list(sent.items()):
        if key in acknowledged:
            continue
        answer = session.post(
            server.dicom + "/studies", data=content, headers=JSON | {"Content-Type": "application/dicom"}, timeout=30
        )
        assert answer.status_code in (200, 409)
    assert assert_consistent(session, server, sent, set(sent)) == len(sent) >= whole


def test_sigterm_lets_running_stores_end(own_server):
    server = own_server()
    writers = [Writer(server, server.token(server.register("tests drain")), seed) for seed in range(2)]
    for writer in writers:
        writer.start()
    time.sleep(1)
    server.stop()
    for writer in writers:
        writer.over.set()
        writer.join(timeout=60)
    server.start()
    session = server.session(server.token(server.register("tests drain again")))
    for writer in writers:
        assert writer.acknowledged
        assert_consistent(session, server, writer.sent, writer.acknowledged)
