"""Whatever is sent, the server answers with the protocol's own error and keeps its archive as it was."""

import os
import socket
import ssl
import struct
import time

import pytest
from pydicom.uid import generate_uid

from dicom_files import failure_reasons, image, instance_path, multipart, part10, uids

JSON = {"Accept": "application/dicom+json"}
DICOM = JSON | {"Content-Type": "application/dicom"}
MULTIPART = 'multipart/related; type="application/dicom"; boundary=frontier'
AS_STORED = {"Accept": "application/dicom; transfer-syntax=*"}


@pytest.fixture(autouse=True)
def archive_stays_as_it_was(server, api):
    def instances():
        answer = api.get(server.dicom + "/instances?limit=200", headers=JSON)
        return [item["00080018"]["Value"] for item in answer.json()] if answer.content else []

    before = instances()
    yield
    assert server.is_running(), server.log_tail()
    assert instances() == before


def post(server, api, body, headers=None):
    return api.post(server.dicom + "/studies", data=body, headers=headers or DICOM, timeout=60)


# --- the envelope ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ('multipart/related; type="application/dicom"', 415),  # no boundary
        ('multipart/related; type="application/dicom"; boundary=', 415),
        ('multipart/form-data; boundary=frontier', 415),
        ("application/json", 415),
        ("", 415),
        ('multipart/related; type="text/plain"; boundary=frontier', 415),
        ('multipart/related; type="application/dicom"; boundary=' + "b" * 71, 415),
    ],
)
def test_wrong_content_types(server, api, content_type, status):
    body, _ = multipart([part10(image())], "frontier")
    answer = post(server, api, body, JSON | {"Content-Type": content_type})
    assert answer.status_code in (status, 400)


def test_a_body_that_is_not_multipart(server, api):
    answer = post(server, api, b"hello, world", JSON | {"Content-Type": MULTIPART})
    assert answer.status_code == 400


def test_a_boundary_that_never_comes(server, owner):
    # Sent after the head of the request, so that the answer can be read however early it comes.
    body = b"\r\n".join([b"x" * 1000] * 5000)
    with raw_connection(server) as connection:
        extra = f"Content-Type: {MULTIPART}\r\nContent-Length: {len(body)}"
        connection.sendall(request_head(server, server.token(owner), extra))
        try:
            connection.sendall(body)
        except OSError:
            pass  # the server has heard enough
        assert status_of(connection) in (None, 400)


def test_a_part_cut_off_in_the_middle(server, api):
    body, content_type = multipart([part10(image())], "frontier")
    answer = post(server, api, body[: len(body) // 2], JSON | {"Content-Type": content_type})
    assert answer.status_code in (400, 409)


def test_a_part_of_another_type(server, api):
    body = b"--frontier\r\nContent-Type: text/plain\r\n\r\nhello\r\n--frontier--\r\n"
    assert post(server, api, body, JSON | {"Content-Type": MULTIPART}).status_code == 415


def test_part_headers_without_end(server, api):
    body = b"--frontier\r\n" + b"X-Filler: " + b"y" * 100_000
    assert post(server, api, body, JSON | {"Content-Type": MULTIPART}).status_code in (400, 413, 415)


def test_a_thousand_empty_parts(server, api):
    body = b"--frontier\r\nContent-Type: application/dicom\r\n\r\n\r\n" * 1000 + b"--frontier--\r\n"
    assert post(server, api, body, JSON | {"Content-Type": MULTIPART}).status_code in (400, 409, 413)


def test_accept_must_admit_the_answer(server, api):
    answer = post(server, api, part10(image()), {"Accept": "text/html", "Content-Type": "application/dicom"})
    assert (answer.status_code, answer.content) == (406, b"")


# --- the dataset ----------------------------------------------------------------------------------------------------


def element(group, number, vr, value, length=None):
    """One element, explicit little endian; `length` may lie."""
    length = len(value) if length is None else length
    head = struct.pack("<HH", group, number) + vr
    if vr in (b"OB", b"OW", b"UN", b"SQ", b"UT"):
        return head + b"\0\0" + struct.pack("<I", length) + value
    return head + struct.pack("<H", length) + value


def ui(text):
    value = text.encode()
    return value + b"\0" * (len(value) % 2)


def raw(*elements, syntax="1.2.840.10008.1.2.1", study=None, series=None, instance=None):
    """A Part 10 file from raw elements, with the UIDs in front unless they are among the elements."""
    instance = instance if instance is not None else generate_uid()
    meta = b"".join(
        [
            element(2, 1, b"OB", b"\0\1"),
            element(2, 2, b"UI", ui("1.2.840.10008.5.1.4.1.1.7")),
            element(2, 3, b"UI", ui(instance)),
            element(2, 0x10, b"UI", ui(syntax)),
        ]
    )
    body = in_order(
        [
            element(8, 0x16, b"UI", ui("1.2.840.10008.5.1.4.1.1.7")),
            element(8, 0x18, b"UI", ui(instance)),
            element(0x10, 0x20, b"LO", b"BAD1"),
            element(0x20, 0xD, b"UI", ui(study if study is not None else generate_uid())),
            element(0x20, 0xE, b"UI", ui(series if series is not None else generate_uid())),
            *elements,
        ]
    )
    return bytes(128) + b"DICM" + element(2, 0, b"UL", struct.pack("<I", len(meta))) + meta + body


def in_order(elements):
    """PS3.5 §7.1: by ascending tag."""
    return b"".join(sorted(elements, key=lambda element: struct.unpack("<HH", element[:4])))


def nested(depth, closed=False):
    """Request attributes within request attributes, without lengths, behind everything that is required."""
    sequence = struct.pack("<HH2sHI", 0x40, 0x275, b"SQ", 0, 0xFFFFFFFF)
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    ends = struct.pack("<HHI", 0xFFFE, 0xE00D, 0) + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    return (sequence + item) * depth + (ends * depth if closed else b"")


GOOD = part10(image())
BROKEN = {
    "nothing": b"",
    "one byte": b"\0",
    "only a preamble": bytes(128),
    "no preamble and no meta group": GOOD[132:],
    "no DICM": bytes(128) + b"MCID" + GOOD[132:],
    "ends in the meta group": GOOD[:150],
    "ends in the dataset": GOOD[:400],
    "text": b"The quick brown fox jumps over the lazy dog. " * 100,
    "element claims 4 GB": raw(element(0x7FE0, 0x10, b"OW", b"1234", length=0xFFFFFFFE)),
    "element claims more than there is": raw(element(0x10, 0x10, b"PN", b"A^B ", length=4000)),
    "nested 1,000 deep without lengths": raw(nested(1000)),
    "nested 100,000 deep without lengths": raw(nested(100_000)),
    "undefined length where none is allowed": raw(element(0x40, 0xA160, b"UT", b"text", length=0xFFFFFFFF)),
    "fragments without end": raw(
        element(0x7FE0, 0x10, b"OB", struct.pack("<HHI", 0xFFFE, 0xE000, 0), length=0xFFFFFFFF),
        syntax="1.2.840.10008.1.2.4.90",
    ),
    "UID of 65 characters": raw(instance="1." + "2" * 63),
    "UID with letters": raw(study="1.2.abc.4"),
    "empty UID": raw(series=""),
    "no patient": GOOD.replace(struct.pack("<HH", 0x10, 0x20) + b"LO", struct.pack("<HH", 0x10, 0x21) + b"LO"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_fail_alone(server, api, name):
    answer = post(server, api, BROKEN[name])
    assert answer.status_code in (400, 409), answer.text
    if answer.status_code == 409:
        assert set(failure_reasons(answer).values()) <= {272, 43264, 43265}
    assert answer.elapsed.total_seconds() < 20


def test_a_broken_file_does_not_spoil_its_neighbours(server, api):
    good = image()
    body, content_type = multipart([BROKEN["text"], part10(good), BROKEN["ends in the dataset"]])
    answer = post(server, api, body, JSON | {"Content-Type": content_type})
    assert answer.status_code == 202, answer.text
    assert len(answer.json()["00081198"]["Value"]) == 2
    study = uids(good)[0]
    assert api.delete(f"{server.dicom}/studies/{study}").status_code == 204


ODD = {
    "odd length": raw(element(0x10, 0x10, b"PN", b"A^B")),
    "unknown VR": raw(element(0x10, 0x10, b"ZZ", b"A^B ")),
    "unknown character set": raw(element(8, 5, b"CS", b"KLINGON "), element(0x10, 0x10, b"PN", b"\xff\xfe\xfd ")),
    "text that is not in its character set": raw(
        element(8, 5, b"CS", b"ISO_IR 192"), element(0x10, 0x10, b"PN", b"\xff\xfe\xfd^")
    ),
    "meta group length lies high": GOOD[:140] + struct.pack("<I", 0x7FFFFFFF) + GOOD[144:],
    "nested 1,000 deep": raw(nested(1000, closed=True)),
    "private transfer syntax": raw(element(0x10, 0x10, b"PN", b"A^B "), syntax="1.2.3.4.5.6.7"),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_files_are_kept_as_they_are_or_refused(server, api, name):
    answer = post(server, api, ODD[name])
    assert answer.status_code in (200, 202, 400, 409), answer.text
    for item in answer.json().get("00081199", {}).get("Value", []) if answer.status_code < 300 else []:
        url = item["00081190"]["Value"][0]
        assert api.get(url, headers=AS_STORED).content == ODD[name]
        assert api.get(url + "/metadata", headers=JSON).status_code == 200
        assert api.delete(url).status_code == 204


def test_two_parts_with_one_uid(server, api):
    dataset = image()
    body, content_type = multipart([part10(dataset)] * 2)
    answer = post(server, api, body, JSON | {"Content-Type": content_type})
    assert answer.status_code == 202
    assert failure_reasons(answer) == {dataset.SOPInstanceUID: 45070}
    assert api.delete(f"{server.dicom}/studies/{dataset.StudyInstanceUID}").status_code == 204


@pytest.mark.parametrize("uid", ["1.2.abc", "1." + "2" * 63, "1.2.", "%2e%2e", "1.2.3;drop"])
def test_bad_uids_in_the_path(server, api, uid):
    answer = api.get(f"{server.dicom}/studies/{uid}", headers=AS_STORED)
    assert answer.status_code == 400
    assert api.delete(f"{server.dicom}/studies/{uid}").status_code == 400


# --- the query ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("limit=-1", "The query parameter 'Limit' is invalid."),
        ("limit=0", "The query parameter 'Limit' is invalid."),
        ("limit=201", "The query parameter 'Limit' is invalid."),
        ("limit=ten", "The query parameter 'Limit' is invalid."),
        ("limit=99999999999999999999", "The query parameter 'Limit' is invalid."),
        ("offset=-1", "The query parameter 'Offset' is invalid."),
        ("StudyDate=20261301", "specified Date value '20261301' is invalid"),
        ("StudyDate=yesterday", "is invalid"),
        ("StudyDate=-", ""),
        ("StudyDate=20260201-20260101", ""),
        ("Nonsense=1", "Invalid query: unknown query parameter 'Nonsense'."),
        ("PatientID=", "has empty string value that is not supported."),
        ("PatientID=1&PatientID=2", ""),
        ("PatientID=1&00100020=1", ""),
        ("Rows=512", "Rows is not queryable."),
        ("includefield=Nonsense", ""),
        ("PatientName=<script>", "The query string included invalid characters."),
        ("%ff%fe=%ff", ""),
        ("&".join(f"a{number}=1" for number in range(1000)), ""),
        ("PatientID=" + "9" * 7000, None),
    ],
)
def test_bad_queries(server, api, query, text):
    answer = api.get(f"{server.dicom}/studies?{query}", headers=JSON)
    if text is None:  # long, but no lie
        assert answer.status_code in (204, 400, 414, 431)
        return
    assert answer.status_code in (400, 414), answer.text
    assert text in answer.text


def test_a_uid_of_the_path_is_no_filter(server, api):
    study = generate_uid()
    answer = api.get(f"{server.dicom}/studies/{study}/series?StudyInstanceUID={study}", headers=JSON)
    assert answer.status_code == 400
    assert "cannot specify attribute 'StudyInstanceUID' for the given resource." in answer.text


# --- refusals before the body has been read ----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [100_000, 527_000, 5_000_000])
def test_an_early_refusal_reaches_the_client(server, size):
    # A client with an expired token must learn just that, and its connection must stay usable or be closed in the open.
    session = server.session("expired.or.worse")
    for _ in range(5):
        answer = session.post(server.dicom + "/studies", data=b"x" * size, headers=DICOM, timeout=60)
        assert answer.status_code == 401


# --- clients that go away -------------------------------------------------------------------------------------------


def raw_connection(server):
    host, port = server.host.rsplit(":", 1)
    context = ssl.create_default_context(cafile=server.ca)
    plain = socket.create_connection((host if host != "localhost" else "127.0.0.1", int(port)), timeout=20)
    return context.wrap_socket(plain, server_hostname="localhost")


def request_head(server, token, extra):
    return (
        f"POST /dicom/v2/studies HTTP/1.1\r\nHost: {server.host}\r\nAuthorization: Bearer {token}\r\n"
        f"Accept: application/dicom+json\r\n{extra}\r\n\r\n"
    ).encode()


def status_of(connection):
    """The status of an answer; None when the connection was closed without one that could be read."""
    try:
        head = connection.recv(65536)
    except OSError:
        return None
    return int(head.split(b" ")[1]) if head else None


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_client_that_disconnects_half_way(server, api, owner, share):
    dataset = image(rows=512, columns=512)
    body, content_type = multipart([part10(dataset)])
    with raw_connection(server) as connection:
        extra = f"Content-Type: {content_type}\r\nContent-Length: {len(body)}"
        connection.sendall(request_head(server, server.token(owner), extra))
        connection.sendall(body[: int(len(body) * share)])
    time.sleep(0.3)
    assert api.get(server.dicom + instance_path(*uids(dataset)), headers=AS_STORED).status_code == 404
    assert post_and_delete(server, api, dataset)


def post_and_delete(server, api, dataset):
    """The same instance can be stored at once, so nothing of it was left half there."""
    stored = post(server, api, part10(dataset)).status_code == 200
    return stored and api.delete(f"{server.dicom}/studies/{dataset.StudyInstanceUID}").status_code == 204


def test_a_chunked_body_that_breaks_its_own_framing(server, owner):
    with raw_connection(server) as connection:
        extra = f"Content-Type: {MULTIPART}\r\nTransfer-Encoding: chunked"
        connection.sendall(request_head(server, server.token(owner), extra))
        connection.sendall(b"5\r\n--fro\r\nZZZ\r\nnot a length\r\n")
        assert status_of(connection) in (None, 400, 409)


def test_a_lying_content_length_over_the_limit(server, owner):
    with raw_connection(server) as connection:
        extra = f"Content-Type: {MULTIPART}\r\nContent-Length: {10**13}"
        connection.sendall(request_head(server, server.token(owner), extra))
        assert status_of(connection) == 413


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="reads the memory use from /proc")
def test_a_large_instance_is_not_held_in_memory(server, api):
    dataset = image(rows=4096, columns=4096, frames=12)
    content = part10(dataset)
    assert len(content) > 400_000_000

    def peak():
        with open(f"/proc/{server.process.pid}/status") as status:
            return next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmHWM"))

    before = peak()
    answer = api.post(server.dicom + "/studies", data=content, headers=DICOM, timeout=280)
    assert answer.status_code == 200, answer.text
    with api.get(server.dicom + instance_path(*uids(dataset)), headers=AS_STORED, stream=True) as answer:
        assert sum(len(chunk) for chunk in answer.iter_content(1 << 20)) == len(content)
    assert peak() - before < 150, "MB"
    assert api.delete(f"{server.dicom}/studies/{dataset.StudyInstanceUID}").status_code == 204
