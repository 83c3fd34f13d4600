"""Credentials that end soon: told of in the log, the metrics, the audit trail and by `doctor`."""

import datetime
import re
import sqlite3
import time

import pytest

from conftest import Certificate

ENDS = {"expired": -1, "1d": 12, "7d": 5 * 24, "30d": 20 * 24}


def end(hours):
    moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=hours)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def audit(server):
    """What the watch has written into the trail."""
    with sqlite3.connect(f"file:{server.data}/hilum.db?mode=ro", uri=True) as database:
        rows = database.execute(
            "SELECT detail FROM audit_event WHERE action = 'identity.credential.expiring' ORDER BY id")
        return [detail for (detail,) in rows]


def gauges(server):
    text = server.session().get(server.run["metricsUrl"], timeout=30).text
    return {within: int(value) for within, value in re.findall(r'hilum_credentials_expiring\{within="(\w+)"\} (\d+)', text)}


def told(server):
    return [line for line in server.log_path.read_text().splitlines() if "end soon or have ended" in line]


def look(server):
    """Starts the server when the next look is due, and waits until it is over."""
    with sqlite3.connect(f"{server.data}/hilum.db") as database:
        changed = database.execute(
            "UPDATE job SET run_at_ms = 0 WHERE kind = 'identity.expiry_watch' AND state = 'queued'")
        assert changed.rowcount == 1
    server.start()
    deadline = time.monotonic() + 60
    while True:
        with sqlite3.connect(f"file:{server.data}/hilum.db?mode=ro", uri=True) as database:
            [[waiting]] = database.execute(
                "SELECT COUNT(*) FROM job WHERE kind = 'identity.expiry_watch' AND state = 'queued' AND run_at_ms > 0")
        if waiting:
            return
        assert time.monotonic() < deadline, server.log_tail()
        time.sleep(0.1)


@pytest.fixture(scope="module")
def watched(own_server, tmp_path_factory):
    """A server with one secret of an application for each threshold but the past, and what a principal holds."""
    server = own_server(start=False)
    client = server.register("watched", secret=False)
    for within in ["1d", "7d", "30d"]:
        server.json("app", "credential", "reset", "--id", client.app_id, "--append", "--display-name", within,
                    "--end-date", end(ENDS[within]))
    server.json("app", "credential", "reset", "--id", client.app_id, "--append", "--display-name", "later",
                "--end-date", end(40 * 24))
    server.json("sp", "credential", "reset", "--id", client.app_id, "--append", "--display-name", "of the principal",
                "--end-date", end(ENDS["7d"]))
    certificate = Certificate(tmp_path_factory.mktemp("certificate"), "watched")
    server.json("sp", "credential", "reset", "--id", client.app_id, "--append", "--cert", f"@{certificate.public_file}")
    # The first start makes the schedule.
    server.start()
    server.stop()
    look(server)
    return server


def test_each_threshold_is_told_everywhere(watched):
    # The certificate ends within 30 days, the principal's secret within 7.
    assert gauges(watched) == {"expired": 0, "1d": 1, "7d": 2, "30d": 2}
    events = audit(watched)
    assert sorted(re.search(r"\((\w+)\)$", event).group(1) for event in events) == ["1d", "30d", "30d", "7d", "7d"]
    assert sum(event.startswith("certificate ") for event in events) == 1
    # The log is written beside the work.
    deadline = time.monotonic() + 30
    while not told(watched):
        assert time.monotonic() < deadline, watched.log_tail()
        time.sleep(0.1)
    [line] = told(watched)
    for part in ["1d", "7d", "30d"]:
        assert f"within_{part}" in line, line
    findings = [one for one in watched.json("doctor") if one["check"] == "credentials"]
    assert len(findings) == 5, findings
    text = str(findings)
    assert "of the principal" in text and "hilum sp credential reset" in text and "later" not in text


def test_another_look_after_a_restart_tells_nothing_twice(watched):
    # A server that has stopped has written its log.
    watched.stop()
    events, lines = audit(watched), told(watched)
    assert (len(events), len(lines)) == (5, 1)
    look(watched)
    assert gauges(watched) == {"expired": 0, "1d": 1, "7d": 2, "30d": 2}
    watched.stop()
    assert (audit(watched), told(watched)) == (events, lines)
