"""DICOM files nobody here wrote, and small ones made to measure."""

import warnings
from io import BytesIO
from pathlib import Path

import pydicom
from pydicom.data import get_testdata_files
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

PREAMBLE = 128
REQUIRED = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "PatientID")


def is_storable(path):
    """Part 10, with everything that a store asks for, and readable by pydicom to its end."""
    if path.stat().st_size > 8_000_000 or path.read_bytes()[PREAMBLE:PREAMBLE + 4] != b"DICM":
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dataset = pydicom.dcmread(path)
            meta = dataset.file_meta
            dataset.to_json_dict(suppress_invalid_tags=True)
        except Exception:  # whatever pydicom cannot read is not a fair test
            return False
        if not all(str(dataset.get(keyword, "")).strip() for keyword in REQUIRED):
            return False
        return "TransferSyntaxUID" in meta and str(meta.get("MediaStorageSOPClassUID", "")) != ""


def real_files():
    """pydicom's own test files, one per SOP Instance UID."""
    found = {}
    for name in sorted(get_testdata_files()):
        path = Path(name)
        if path.is_file() and is_storable(path):
            dataset = pydicom.dcmread(path, stop_before_pixels=True)
            key = (str(dataset.StudyInstanceUID), str(dataset.SeriesInstanceUID), str(dataset.SOPInstanceUID))
            found.setdefault(key, path)
    return found


def without_preamble(content):
    """What must survive a store: the preamble is replaced by zeros."""
    return bytes(PREAMBLE) + content[PREAMBLE:]


def image(study=None, series=None, instance=None, rows=64, columns=64, frames=1, **attributes):
    """A small grey image with the attributes given by keyword."""
    dataset = Dataset()
    dataset.preamble = bytes(PREAMBLE)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    dataset.SOPInstanceUID = instance or generate_uid()
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.StudyInstanceUID = study or generate_uid()
    dataset.SeriesInstanceUID = series or generate_uid()
    dataset.PatientID = "P-0001"
    dataset.PatientName = "Doe^Jane"
    dataset.Modality = "OT"
    dataset.StudyDate = "20260131"
    dataset.InstanceNumber = 1
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = rows, columns
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 0
    if frames > 1:
        dataset.NumberOfFrames = frames
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    size = rows * columns * 2
    dataset.PixelData = b"".join(bytes([number % 251 + 1]) * size for number in range(frames))
    return dataset


def part10(dataset):
    """A dataset as the bytes of a file."""
    out = BytesIO()
    pydicom.dcmwrite(out, dataset, enforce_file_format=True)
    return out.getvalue()


def uids(dataset):
    return str(dataset.StudyInstanceUID), str(dataset.SeriesInstanceUID), str(dataset.SOPInstanceUID)


def instance_path(study, series, instance):
    return f"/studies/{study}/series/{series}/instances/{instance}"


def multipart(parts, boundary="hilum-test-boundary"):
    """A multipart/related body and its content type."""
    body = b"".join(
        b"--%s\r\nContent-Type: application/dicom\r\n\r\n%s\r\n" % (boundary.encode(), part) for part in parts
    )
    body += b"--%s--\r\n" % boundary.encode()
    return body, f'multipart/related; type="application/dicom"; boundary={boundary}'


def failure_reasons(answer):
    """SOP instance → FailureReason of a store response; unknown instances as None."""
    items = answer.json().get("00081198", {}).get("Value", [])
    return {
        item.get("00081155", {}).get("Value", [None])[0]: item["00081197"]["Value"][0] for item in items
    }


def stored_uids(answer):
    """The SOP instances a store response calls stored."""
    items = answer.json().get("00081199", {}).get("Value", [])
    return [item["00081155"]["Value"][0] for item in items]
