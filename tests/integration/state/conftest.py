"""A bucket of S3 (moto) as a backend."""

from collections.abc import Iterator

import boto3
import pytest
from moto.server import ThreadedMotoServer

BUCKET = "sophia-state"


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """The address of a bucket of its own, as a Pulumi backend."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    boto3.client(
        "s3",
        endpoint_url=f"http://{host}:{port}",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    ).create_bucket(Bucket=BUCKET)
    yield f"s3://{BUCKET}?endpoint={host}:{port}&disableSSL=true&s3ForcePathStyle=true"
    server.stop()
