"""The whole server on buckets instead of a folder: Azure Blob Storage (Azurite) and S3 (moto)."""

import os
import secrets

import pytest

from dicom_files import image, instance_path, multipart, part10, uids

JSON = {"Accept": "application/dicom+json"}
AS_STORED = {"Accept": "application/dicom; transfer-syntax=*"}
# Every installation of the emulator has this key.
AZURITE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


def url_of(variable):
    url = os.environ.get(variable)
    if not url:
        pytest.skip(f"{variable} is not set; `cargo xtask test clients` sets it")
    return url


def azure_bucket():
    from azure.storage.blob import BlobServiceClient

    endpoint, container = url_of("HILUM_TEST_AZURITE_URL"), "hilum-" + secrets.token_hex(6)
    BlobServiceClient(endpoint, credential=AZURITE_KEY).create_container(container)
    options = {
        "azure_storage_account_name": "devstoreaccount1", "azure_storage_account_key": AZURITE_KEY,
        "azure_endpoint": endpoint, "azure_allow_http": "true",
    }
    return f"az://{container}/images", options


def s3_bucket():
    import boto3

    endpoint, bucket = url_of("HILUM_TEST_MOTO_URL"), "hilum-" + secrets.token_hex(6)
    credentials = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", **credentials).create_bucket(Bucket=bucket)
    options = credentials | {"aws_endpoint": endpoint, "aws_region": "us-east-1", "aws_allow_http": "true"}
    return f"s3://{bucket}/images", options


@pytest.mark.parametrize("make", [azure_bucket, s3_bucket], ids=["azure", "s3"])
def test_the_journey_on_a_bucket(own_server, tmp_path, make):
    url, options = make()
    config = tmp_path / "hilum.toml"
    lines = "\n".join(f'{name} = "{value}"' for name, value in options.items())
    config.write_text(f'[blobs]\nurl = "{url}"\n\n[blobs.options]\n{lines}\n')
    server = own_server(config=config)
    session = server.session(server.token(server.register("tests bucket")))
    small, large = image(frames=4), image(rows=2500, columns=2500)  # the large one is uploaded in parts
    body, content_type = multipart([part10(small), part10(large)])
    answer = session.post(server.dicom + "/studies", data=body, headers=JSON | {"Content-Type": content_type})
    assert answer.status_code == 200, answer.text
    for dataset in (small, large):
        found = session.get(server.dicom + instance_path(*uids(dataset)), headers=AS_STORED)
        assert found.content == part10(dataset)
    frame = session.get(
        server.dicom + instance_path(*uids(small)) + "/frames/3",
        headers={"Accept": "application/octet-stream; transfer-syntax=*"},
    )
    assert frame.content == b"\3" * (64 * 64 * 2)
    assert session.delete(f"{server.dicom}/studies/{small.StudyInstanceUID}").status_code == 204
    assert session.get(server.dicom + instance_path(*uids(small)), headers=AS_STORED).status_code == 404
