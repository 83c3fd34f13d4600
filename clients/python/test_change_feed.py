"""The change feed as its consumers read it: by number in v1, by windows of time in v2 (Microsoft: Pull changes from the change feed)."""

import threading
from datetime import datetime, timedelta, timezone

import pytest
from dicomweb_client import DICOMwebClient

from dicom_files import image


@pytest.fixture
def web(server, api):
    return DICOMwebClient(server.dicom, session=api)


def get(api, server, version, path="", **parameters):
    answer = api.get(f"{server.url}/dicom/{version}/changefeed{path}", params=parameters)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"].startswith("application/json")
    return answer.json()


def test_by_number(server, api, web):
    start = api.get(f"{server.url}/dicom/v1/changefeed/latest")
    offset = start.json()["sequence"] if start.status_code == 200 else 0
    images = [image(PatientID=f"feed {n}") for n in range(7)]
    for dataset in images:
        web.store_instances([dataset])
    web.delete_study(images[0].StudyInstanceUID)

    # The loop of the article: at most five at a time, on from the highest number seen.
    entries = []
    while offset < get(api, server, "v1", "/latest", includeMetadata="false")["sequence"]:
        page = get(api, server, "v1", offset=offset, limit=5)
        entries += page
        offset = page[-1]["sequence"] if page else offset + 5
    ours = [entry for entry in entries if entry["studyInstanceUid"] in {i.StudyInstanceUID for i in images}]
    assert [entry["action"] for entry in ours] == ["Create"] * 7 + ["Delete"]
    assert [entry["state"] for entry in ours] == ["Deleted"] + ["Current"] * 6 + ["Deleted"]
    assert "metadata" not in ours[0]
    assert ours[1]["metadata"]["00100020"]["Value"] == ["feed 1"]
    assert {entry["partitionName"] for entry in ours} == {"Microsoft.Default"}


def test_by_windows_of_time(server, api, web):
    def stamp(time):
        return time.isoformat().replace("+00:00", "Z")

    first = datetime.now(timezone.utc)
    known = [image(PatientID="window") for _ in range(5)]
    web.store_instances(known[:3])
    middle = datetime.now(timezone.utc)
    web.store_instances(known[3:])
    last = datetime.now(timezone.utc) + timedelta(milliseconds=1)

    def uids(start, end, limit):
        found, offset = [], 0
        while True:
            page = get(api, server, "v2", startTime=stamp(start), endTime=stamp(end), limit=limit, offset=offset)
            found += [entry["sopInstanceUid"] for entry in page]
            if len(page) < limit:
                return found
            offset += limit

    assert set(uids(first, middle, 2)) == {i.SOPInstanceUID for i in known[:3]}
    assert set(uids(middle, last, 100)) == {i.SOPInstanceUID for i in known[3:]}
    entry = get(api, server, "v2", "/latest")
    again = get(api, server, "v2", startTime=entry["timestamp"], limit=1)
    assert again[0]["timestamp"] == entry["timestamp"]


def test_waiting(server, api, web):
    dataset = image(PatientID="waiting")
    last = api.get(f"{server.url}/dicom/v1/changefeed/latest")
    offset = last.json()["sequence"] if last.status_code == 200 else 0
    writer = threading.Timer(0.3, lambda: web.store_instances([dataset]))
    writer.start()
    page = get(api, server, "v1", offset=offset, wait=30)
    writer.join()
    assert [entry["sopInstanceUid"] for entry in page] == [dataset.SOPInstanceUID]


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "offset=-1", "startTime=2026-01-01T00:00:00",
                                   "startTime=2026-01-02T00:00:00Z&endTime=2026-01-01T00:00:00Z", "includeMetadata=0"])
def test_bad_parameters(server, api, query):
    answer = api.get(f"{server.dicom}/changefeed?{query}")
    assert answer.status_code == 400 and answer.text.startswith("The query parameter '")


def test_who_may_read(server):
    assert server.session().get(server.dicom + "/changefeed").status_code == 401
    writer = server.register("feed writer", role="DICOM Data Writer")
    answer = server.session(server.token(writer)).get(server.dicom + "/changefeed")
    assert (answer.status_code, answer.text) == (403, "Authorization failed.")
