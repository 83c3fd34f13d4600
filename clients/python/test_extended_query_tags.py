"""Extended query tags as Microsoft's how-to has them: add, wait for the operation, search, read errors, remove."""

import time

import pytest
from dicomweb_client import DICOMwebClient

from dicom_files import image, multipart, part10

JSON = {"Accept": "application/dicom+json"}


@pytest.fixture
def tags(server, api):
    """The resource; whatever a test leaves is removed."""
    url = server.dicom + "/extendedquerytags"
    yield url
    for tag in api.get(url).json():
        finish(api, tag.get("operation", {}).get("href"))
        assert api.delete(f"{url}/{tag['path']}").status_code == 204


def finish(api, href):
    """What clients do with a reference: ask until it is over."""
    for _ in range(120):
        answer = api.get(href) if href else None
        if answer is None or answer.status_code == 200:
            return answer and answer.json()
        assert answer.status_code == 202 and answer.headers["Location"] == href
        time.sleep(0.25)
    raise AssertionError("the operation does not end")


def add(api, url, *entries):
    answer = api.post(url, json=list(entries))
    assert answer.status_code == 202, answer.text
    assert answer.headers["Location"] == answer.json()["href"]
    return finish(api, answer.json()["href"])


def test_life_cycle(server, api, tags):
    web = DICOMwebClient(server.dicom, session=api)
    before = image(PatientID="tags 1", ManufacturerModelName="x", Manufacturer="Acme", PatientAge="034Y")
    before.private_block(0x0051, "ACME 1.1", create=True).add_new(0x01, "CS", "PRIMARY")
    web.store_instances([before])
    over = add(
        api, tags, {"path": "Manufacturer", "level": "Series"}, {"path": "00101010", "vr": "AS", "level": "Study"},
        {"path": "00511001", "vr": "CS", "privateCreator": "ACME 1.1", "level": "Instance"},
    )
    assert (over["type"], over["status"], over["percentComplete"]) == ("reindex", "succeeded", 100)
    assert over["resources"] == [f"{tags}/{path}" for path in ("00080070", "00101010", "00511001")]
    after = image(PatientID="tags 2", Manufacturer="ACME", PatientAge="035Y")
    web.store_instances([after])

    listed = {tag["path"]: tag for tag in api.get(tags).json()}
    assert {(tag["status"], tag["queryStatus"]) for tag in listed.values()} == {("ready", "enabled")}
    series = web.search_for_series(search_filters={"Manufacturer": "acme"})
    assert {found["0020000D"]["Value"][0] for found in series} == {before.StudyInstanceUID, after.StudyInstanceUID}
    assert series[0]["00080070"]["Value"][0] in ("Acme", "ACME")
    studies = web.search_for_studies(search_filters={"PatientAge": "035Y"})
    assert [found["0020000D"]["Value"] for found in studies] == [[after.StudyInstanceUID]]
    private = web.search_for_instances(search_filters={"00511001": "PRIMARY"})
    assert [found["00080018"]["Value"] for found in private] == [[before.SOPInstanceUID]]

    assert api.patch(f"{tags}/PatientAge", json={"queryStatus": "Disabled"}).json()["queryStatus"] == "disabled"
    refused = api.get(server.dicom + "/studies?PatientAge=035Y", headers=JSON)
    assert (refused.status_code, refused.text) == (400, "Query is disabled on specified attribute 'PatientAge'.")
    assert api.delete(f"{tags}/PatientAge").status_code == 204
    assert api.get(f"{tags}/PatientAge").status_code == 404


def test_a_value_that_does_not_fit(server, api, tags):
    # v1 of the service takes what it does not index as it is.
    bad = image(PatientID="tags 3")
    bad.add_new(0x00102180, "SH", "far too long for a short string")
    body, content_type = multipart([part10(bad)])
    v1 = server.url + "/dicom/v1/studies"
    assert api.post(v1, data=body, headers=JSON | {"Content-Type": content_type}).status_code == 200
    add(api, tags, {"path": "Occupation", "level": "Study"})
    tag = api.get(f"{tags}/Occupation").json()
    assert (tag["queryStatus"], tag["errors"]["count"]) == ("disabled", 1)
    [error] = api.get(tag["errors"]["href"]).json()
    assert error["sopInstanceUid"] == bad.SOPInstanceUID and error["partitionName"] == "Microsoft.Default"
    api.patch(f"{tags}/Occupation", json={"queryStatus": "Enabled"})
    answer = api.get(server.dicom + "/studies?Occupation=x", headers=JSON)
    assert answer.headers["erroneous-dicom-attributes"] == "Occupation"
    again = image(PatientID="tags 3")
    again.add_new(0x00102180, "SH", "far too long for a short string")
    body, content_type = multipart([part10(again)])
    assert api.post(v1, data=body, headers=JSON | {"Content-Type": content_type}).status_code == 409


def test_refusals(server, api, tags):
    for entries in ([], [{"path": "PatientName", "level": "Study"}], [{"path": "PatientAge"}],
                    [{"path": "PatientWeight", "level": "Study"}], [{"path": "00511001", "vr": "CS", "level": "Study"}]):
        assert api.post(tags, json=entries).status_code == 400
    add(api, tags, {"path": "PatientAge", "level": "Study"})
    again = api.post(tags, json=[{"path": "00101010", "level": "Study"}])
    assert (again.status_code, again.text) == (409, "One or more extended query tags already exist.")
    reader = server.session(server.token(server.register("tags reader", role="DICOM Data Reader")))
    assert reader.get(tags).status_code == 200
    assert reader.post(tags, json=[{"path": "Occupation", "level": "Study"}]).status_code == 403
    assert reader.delete(f"{tags}/PatientAge").status_code == 403
    assert server.session().post(tags, json=[]).status_code == 401


def test_a_killed_server_goes_on(own_server):
    """Killed while it goes through the instances: the next start ends the operation, and none is missed."""
    server = own_server()
    client = server.register("killed")
    api = server.session(server.token(client))
    web = DICOMwebClient(server.dicom, session=api)
    study, series, count = image().StudyInstanceUID, image().SeriesInstanceUID, 600
    for first in range(0, count, 100):
        web.store_instances([image(study, series, rows=2, columns=2, AcquisitionNumber=7) for _ in range(first, first + 100)])
    url = server.dicom + "/extendedquerytags"
    answer = api.post(url, json=[{"path": "AcquisitionNumber", "level": "Instance"}])
    server.kill()
    server.start()
    # The restarted server has another port. Up to a minute until the lease of the killed one is over.
    api = server.session(server.token(client))
    web = DICOMwebClient(server.dicom, session=api)
    assert finish_slowly(api, f"{server.dicom}/operations/{answer.json()['id']}")["status"] == "succeeded"
    found = [len(web.search_for_instances(search_filters={"AcquisitionNumber": "7"}, limit=200, offset=offset))
             for offset in range(0, count, 200)]
    assert sum(found) == count


def finish_slowly(api, href):
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline:
        answer = api.get(href)
        if answer.status_code == 200:
            return answer.json()
        time.sleep(1)
    raise AssertionError("the operation does not end")
