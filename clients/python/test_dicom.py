"""The DICOM service through dicomweb-client, with the files of pydicom; what went in comes out byte for byte."""

import pydicom
import pytest
from dicomweb_client import DICOMwebClient
from pydicom.uid import generate_uid

from dicom_files import (
    failure_reasons,
    image,
    instance_path,
    multipart,
    part10,
    real_files,
    stored_uids,
    uids,
    without_preamble,
)

JSON = {"Accept": "application/dicom+json"}
AS_STORED = {"Accept": "application/dicom; transfer-syntax=*"}
FILES = real_files()

# PS3.18 Annex F leaves these to bulk data; the service's metadata do not have them.
BULK_VRS = {"OB", "OD", "OF", "OL", "OV", "OW", "UN"}


@pytest.fixture
def web(server, api):
    return DICOMwebClient(server.dicom, session=api)


@pytest.fixture(scope="module")
def real(server, owner):
    """All of pydicom's suitable files, stored study by study; (study, series, instance) → bytes."""
    api = server.session(server.token(owner))
    contents = {key: path.read_bytes() for key, path in FILES.items()}
    for study in sorted({study for study, _, _ in contents}):
        parts = [content for key, content in contents.items() if key[0] == study]
        body, content_type = multipart(parts)
        answer = api.post(f"{server.dicom}/studies/{study}", data=body, headers=JSON | {"Content-Type": content_type})
        assert answer.status_code in (200, 202), answer.text
        assert failure_reasons(answer) == {}, answer.text
        assert len(stored_uids(answer)) == len(parts)
    return contents


def store(api, server, *datasets):
    body, content_type = multipart([part10(dataset) for dataset in datasets])
    answer = api.post(server.dicom + "/studies", data=body, headers=JSON | {"Content-Type": content_type})
    assert answer.status_code == 200, answer.text
    return answer


# --- files nobody here wrote -----------------------------------------------------------------------------------------


def test_there_are_enough_files():
    assert len(FILES) > 50


def test_every_real_file_comes_back_byte_for_byte(server, api, real):
    for (study, series, instance), content in real.items():
        answer = api.get(server.dicom + instance_path(study, series, instance), headers=AS_STORED)
        assert answer.status_code == 200, answer.text
        assert answer.content == without_preamble(content), f"{FILES[study, series, instance]} changed"
        assert answer.headers["Content-Type"].startswith("application/dicom")


def test_dicomweb_client_retrieves_every_real_study(web, real):
    for study in sorted({study for study, _, _ in real}):
        expected = {instance for found, _, instance in real if found == study}
        found = web.retrieve_study(study, media_types=(("application/dicom", "*"),))
        assert {str(dataset.SOPInstanceUID) for dataset in found} == expected


def comparable(value):
    """Numbers by value and texts without padding: pydicom writes 1.0 for 1, and keeps a blank in "DERIVED "."""
    if isinstance(value, dict):
        return {key: comparable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [comparable(item) for item in value]
    if isinstance(value, (int, float)):
        return float(value)
    # PS3.18 F.2.5: an empty value is null; pydicom writes "".
    return value.strip() or None if isinstance(value, str) else value


SAMPLE = (
    "SOPClassUID SOPInstanceUID StudyInstanceUID SeriesInstanceUID PatientID PatientSex Modality StudyDate StudyTime "
    "SeriesNumber InstanceNumber Rows Columns BitsAllocated PixelSpacing ImageType SliceThickness NumberOfFrames "
    "ImagePositionPatient PhotometricInterpretation Manufacturer StudyID"
).split()


def test_metadata_agrees_with_pydicom(server, api, real):
    for (study, series, instance) in real:
        path = instance_path(study, series, instance)
        answer = api.get(server.dicom + path + "/metadata", headers=JSON)
        assert answer.status_code == 200, answer.text
        assert answer.headers["ETag"]
        [found] = answer.json()
        source = pydicom.dcmread(FILES[study, series, instance])
        wanted = source.to_json_dict(suppress_invalid_tags=True, bulk_data_threshold=10**9)
        for keyword in SAMPLE:
            tag = f"{pydicom.datadict.tag_for_keyword(keyword):08X}"
            if tag in wanted:
                assert comparable(found.get(tag)) == comparable(wanted[tag]), f"{keyword} of {path}"
        assert "00020010" not in found and "7FE00010" not in [
            tag for tag, element in found.items() if "InlineBinary" in element
        ]
        # Group lengths (gggg,0000) are retired and say nothing about the dataset.
        wanted = {tag: element for tag, element in wanted.items() if not tag.endswith("0000")}
        missing = {tag for tag, element in wanted.items() if element["vr"] not in BULK_VRS} - set(found)
        # Version 2 leaves out what did not pass its validation, and says so when it stores; most files are clean.
        assert len(missing) <= 5, f"{missing} missing from {path}"


def test_unchanged_metadata_is_not_sent_again(server, api, real):
    study, series, instance = next(iter(real))
    url = server.dicom + instance_path(study, series, instance) + "/metadata"
    etag = api.get(url, headers=JSON).headers["ETag"]
    for spelling in (etag, etag.strip('"'), f'"other", {etag}', "*"):
        answer = api.get(url, headers=JSON | {"If-None-Match": spelling})
        assert (answer.status_code, answer.content) == (304, b""), spelling
    assert api.get(url, headers=JSON | {"If-None-Match": '"other"'}).status_code == 200


def test_stored_frames_of_real_files(server, api, real):
    seen = 0
    for key in real:
        dataset = pydicom.dcmread(FILES[key])
        frames = str(dataset.get("NumberOfFrames", 1) or 1)  # one of the files says "1A"
        if "PixelData" not in dataset or dataset.BitsAllocated < 8 or not frames.isdigit():
            continue
        count = int(frames)
        url = server.dicom + instance_path(*key) + f"/frames/{count}"
        headers = {"Accept": "application/octet-stream; transfer-syntax=*"}
        answer = api.get(url, headers=headers)
        assert answer.status_code == 200, f"{FILES[key]}: {answer.text}"
        if dataset.file_meta.TransferSyntaxUID.is_encapsulated:
            from pydicom.encaps import get_frame

            wanted = get_frame(dataset.PixelData, count - 1, number_of_frames=count)
            assert answer.content.rstrip(b"\0") == wanted.rstrip(b"\0"), FILES[key]
        else:
            size = dataset.Rows * dataset.Columns * dataset.SamplesPerPixel * dataset.BitsAllocated // 8
            assert answer.content == dataset.PixelData[(count - 1) * size:count * size], FILES[key]
        seen += 1
    assert seen > 20


# --- dicomweb-client's own way ---------------------------------------------------------------------------------------


def test_dicomweb_client_stores_finds_and_retrieves(web):
    first = image(PatientName="Müller^Łukasz", PatientID="WEB-1", SpecificCharacterSet="ISO_IR 192")
    second = image(study=first.StudyInstanceUID, series=first.SeriesInstanceUID, PatientID="WEB-1")
    response = web.store_instances([first, second])
    assert len(response.ReferencedSOPSequence) == 2
    assert "FailedSOPSequence" not in response
    study, series, instance = uids(first)
    assert [found["0020000D"]["Value"][0] for found in web.search_for_studies(search_filters={"PatientID": "WEB-1"})] == [study]
    assert len(web.search_for_series(study)) == 1
    assert len(web.search_for_instances(study, series)) == 2
    found = web.retrieve_instance(study, series, instance)
    assert found.PixelData == first.PixelData
    assert str(found.PatientName) == "Müller^Łukasz"
    assert len(web.retrieve_series(study, series, media_types=(("application/dicom", "*"),))) == 2
    assert len(web.retrieve_study_metadata(study)) == 2
    assert len(web.retrieve_series_metadata(study, series)) == 2
    assert web.retrieve_instance_metadata(study, series, instance)["00080018"]["Value"] == [instance]


def test_dicomweb_client_sends_large_bodies_in_chunks(server, api):
    web = DICOMwebClient(server.dicom, session=api, chunk_size=100_000)
    dataset = image(rows=1024, columns=1024)
    web.store_instances([dataset])
    assert web.retrieve_instance(*uids(dataset)).PixelData == dataset.PixelData


def test_dicomweb_client_retrieves_frames(web):
    dataset = image(frames=5)
    web.store_instances([dataset])
    frames = web.retrieve_instance_frames(
        *uids(dataset), frame_numbers=[4, 1, 4], media_types=(("application/octet-stream", "*"),)
    )
    assert [bytes(frame[:1]) for frame in frames] == [b"\4", b"\1", b"\4"]
    assert {len(frame) for frame in frames} == {64 * 64 * 2}


def test_dicomweb_client_deletes(server, api, web):
    dataset = image()
    study, series, instance = uids(dataset)
    for delete in (
        lambda: web.delete_instance(study, series, instance),
        lambda: web.delete_series(study, series),
        lambda: web.delete_study(study),
    ):
        web.store_instances([dataset])
        delete()
        gone = api.get(server.dicom + instance_path(study, series, instance), headers=AS_STORED)
        assert (gone.status_code, gone.text) == (404, "The specified instance cannot be found.")
        assert api.delete(f"{server.dicom}/studies/{study}").status_code == 404
    assert web.search_for_studies(search_filters={"StudyInstanceUID": study}) == []


# --- store ---------------------------------------------------------------------------------------------------------


def test_single_instance_without_multipart(server, api):
    dataset = image()
    answer = api.post(
        server.dicom + "/studies", data=part10(dataset), headers=JSON | {"Content-Type": "application/dicom"}
    )
    assert answer.status_code == 200, answer.text
    [item] = answer.json()["00081199"]["Value"]
    assert item["00081190"]["Value"] == [server.dicom + instance_path(*uids(dataset))]


def test_duplicates_and_strangers_are_refused_one_by_one(server, api):
    known, fresh, elsewhere = image(), image(), image()
    store(api, server, known)
    fresh.StudyInstanceUID = known.StudyInstanceUID
    body, content_type = multipart([part10(dataset) for dataset in (known, fresh, elsewhere)])
    answer = api.post(
        f"{server.dicom}/studies/{known.StudyInstanceUID}", data=body, headers=JSON | {"Content-Type": content_type}
    )
    assert answer.status_code == 202
    assert stored_uids(answer) == [fresh.SOPInstanceUID]
    assert failure_reasons(answer) == {known.SOPInstanceUID: 45070, elsewhere.SOPInstanceUID: 43264}
    assert answer.json()["00081190"]["Value"] == [f"{server.dicom}/studies/{known.StudyInstanceUID}"]


def test_the_preamble_is_emptied(server, api):
    dataset = image()
    content = b"MZ executable?" .ljust(128, b"!") + part10(dataset)[128:]
    answer = api.post(server.dicom + "/studies", data=content, headers=JSON | {"Content-Type": "application/dicom"})
    assert answer.status_code == 200
    found = api.get(server.dicom + instance_path(*uids(dataset)), headers=AS_STORED).content
    assert found == without_preamble(content)


def test_version_1_and_2_judge_an_indexed_attribute_differently(server, api):
    dataset = image()
    content = part10(dataset).replace(b"20260131", b"yesterda")
    headers = JSON | {"Content-Type": "application/dicom"}
    refused = api.post(server.url + "/dicom/v1/studies", data=content, headers=headers)
    assert refused.status_code == 409
    assert list(failure_reasons(refused).values()) == [43264]
    warned = api.post(server.dicom + "/studies", data=content, headers=headers)
    assert warned.status_code == 202
    [item] = warned.json()["00081199"]["Value"]
    assert item["00081196"]["Value"] == [1]
    assert "00080020" in item["00741048"]["Value"][0]["00000902"]["Value"][0].replace(",", "").upper()


def test_empty_multipart_is_no_content(server, api):
    answer = api.post(
        server.dicom + "/studies",
        data=b"--x--\r\n",
        headers=JSON | {"Content-Type": 'multipart/related; type="application/dicom"; boundary=x'},
    )
    assert answer.status_code == 204


# --- retrieve ------------------------------------------------------------------------------------------------------


def test_other_transfer_syntaxes_wait_for_the_codecs(server, api):
    dataset = image()
    store(api, server, dataset)
    url = server.dicom + instance_path(*uids(dataset))
    jpeg2000 = {"Accept": "application/dicom; transfer-syntax=1.2.840.10008.1.2.4.90"}
    assert api.get(url, headers=jpeg2000).status_code == 406
    same = {"Accept": "application/dicom; transfer-syntax=1.2.840.10008.1.2.1"}
    assert api.get(url, headers=same).status_code == 200
    assert api.get(url, headers={"Accept": None}).status_code == 406


def test_implicit_little_endian_becomes_explicit(server, api):
    from io import BytesIO

    from pydicom.uid import ImplicitVRLittleEndian

    dataset = image()
    wanted = dataset.PixelData
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    content = part10(dataset)
    answer = api.post(server.dicom + "/studies", data=content, headers=JSON | {"Content-Type": "application/dicom"})
    assert answer.status_code in (200, 202), answer.text
    url = server.dicom + instance_path(*uids(dataset))
    explicit = api.get(url, headers={"Accept": "application/dicom; transfer-syntax=1.2.840.10008.1.2.1"})
    assert explicit.status_code == 200, explicit.text
    found = pydicom.dcmread(BytesIO(explicit.content))
    assert found.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    assert found.PixelData == wanted
    assert api.get(url, headers=AS_STORED).content == without_preamble(content)


@pytest.mark.parametrize(("frames", "status"), [("0", 400), ("x", 400), ("-1", 400), ("6", 404), ("1,9", 404)])
def test_frame_numbers_are_checked(server, api, frames, status):
    dataset = image(frames=5)
    store(api, server, dataset)
    answer = api.get(
        f"{server.dicom}{instance_path(*uids(dataset))}/frames/{frames}",
        headers={"Accept": 'multipart/related; type="application/octet-stream"; transfer-syntax=*'},
    )
    assert answer.status_code == status


# --- search --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def people(server, owner):
    """Four studies whose patients share a tag that no other test uses."""
    api = server.session(server.token(owner))
    tag = generate_uid()[-12:]
    utf8 = {"SpecificCharacterSet": "ISO_IR 192", "AccessionNumber": tag}
    made = {
        "muller": image(PatientName="Müller^Änne", PatientID=f"{tag}-1", StudyDate="20240229", **utf8),
        "lukasz": image(PatientName="Wójcik^Łukasz", PatientID=f"{tag}-2", StudyDate="20250101", **utf8),
        "yamada": image(PatientName="Yamada^Tarou=山田^太郎=やまだ^たろう", PatientID=f"{tag}-3", StudyDate="20250615", **utf8),
        "john": image(PatientName="Doe^John", PatientID=f"{tag}-4", StudyDate="20251231", Modality="CT", **utf8),
    }
    store(api, server, *made.values())
    return tag, made


def names(api, server, people, query):
    tag, made = people
    answer = api.get(f"{server.dicom}/studies?AccessionNumber={tag}&{query}", headers=JSON)
    assert answer.status_code in (200, 204), answer.text
    by_uid = {dataset.StudyInstanceUID: name for name, dataset in made.items()}
    studies = answer.json() if answer.content else []
    return [by_uid[study["0020000D"]["Value"][0]] for study in studies]


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("", ["john", "yamada", "lukasz", "muller"]),  # newest first
        ("StudyDate=20250101-", ["john", "yamada", "lukasz"]),
        ("StudyDate=-20241231", ["muller"]),
        ("StudyDate=20250101-20250615", ["yamada", "lukasz"]),
        ("00080020=20251231", ["john"]),
        ("ModalitiesInStudy=CT", ["john"]),
        ("PatientName=müller^änne", ["muller"]),
        ("PatientName=muller^anne", ["muller"]),
        ("PatientName=Doe*", ["john"]),
        ("PatientName=?oe^John", ["john"]),
        ("fuzzymatching=true&PatientName=joh", ["john"]),
        ("fuzzymatching=true&PatientName=hn", []),
        ("fuzzymatching=true&PatientName=Muller", ["muller"]),
        ("fuzzymatching=true&PatientName=Łukasz", ["lukasz"]),
        ("fuzzymatching=true&PatientName=山田", ["yamada"]),
        ("limit=2", ["john", "yamada"]),
        ("limit=2&offset=2", ["lukasz", "muller"]),
        ("offset=4", []),
    ],
)
def test_matching(server, api, people, query, wanted):
    assert names(api, server, people, query) == wanted


@pytest.mark.parametrize(
    "resource", ["/studies", "/series", "/instances", "/studies/{0}/series", "/studies/{0}/instances", "/studies/{0}/series/{1}/instances"]
)
def test_all_six_search_resources(server, api, people, resource):
    _, made = people
    study, series, instance = uids(made["john"])
    level = {"series": "SeriesInstanceUID", "instances": "SOPInstanceUID"}.get(resource.rsplit("/", 1)[1], "StudyInstanceUID")
    value = {"SeriesInstanceUID": series, "SOPInstanceUID": instance, "StudyInstanceUID": study}[level]
    answer = api.get(f"{server.dicom}{resource.format(study, series)}?{level}={value}&includefield=all", headers=JSON)
    assert answer.status_code == 200, answer.text
    [found] = answer.json()
    assert found["0020000D"]["Value"] == [study]


def test_counts_are_given_on_demand(server, api, people):
    _, made = people
    study = made["john"].StudyInstanceUID
    answer = api.get(
        f"{server.dicom}/studies?StudyInstanceUID={study}"
        "&includefield=NumberOfStudyRelatedInstances,00201206,ModalitiesInStudy",
        headers=JSON,
    )
    [found] = answer.json()
    assert found["00201208"]["Value"] == [1]
    assert found["00080061"]["Value"] == ["CT"]


# --- what every answer says -----------------------------------------------------------------------------------------


def test_versions_and_correlation(server, api):
    sent = {"x-ms-correlation-request-id": "3a2c5d3e-7a43-4d4b-9a5e-0d4c6b6f0a11"}
    answer = api.get(server.dicom + "/studies?limit=1", headers=JSON | sent)
    assert "2.0" in answer.headers["api-supported-versions"]
    assert answer.headers["request-id"]
    assert api.get(server.url + "/dicom/v3/studies", headers=JSON).status_code == 404


def test_health_needs_no_token(server):
    session = server.session()
    health = session.get(server.url + "/health/check")
    assert (health.status_code, health.json()["overallStatus"]) == (200, "Healthy")
    assert session.get(server.url + "/healthz").status_code == 200
    assert session.get(server.url + "/readyz").status_code == 200


def test_metrics_are_kept_apart(server):
    import requests

    text = requests.get(server.run["metricsUrl"], timeout=10).text
    assert "# TYPE" in text
    assert server.session().get(server.url + "/metrics").status_code != 200


@pytest.mark.parametrize("name", ["identity", "dicom"])
def test_openapi_documents(server, name):
    document = server.session().get(f"{server.url}/openapi/{name}.json").json()
    assert document["openapi"].startswith("3.")
    assert document["paths"]
