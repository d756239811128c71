"""S3 on this machine (moto), as a backend of Pulumi's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import boto3
from moto.server import ThreadedMotoServer

KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


@dataclass(frozen=True)
class Bucket:
    """address: host and port of S3."""

    name: str
    address: str

    @property
    def backend(self) -> str:
        """What `pulumi login` takes."""
        return f"s3://{self.name}?endpoint={self.address}&disableSSL=true&s3ForcePathStyle=true"

    @property
    def client(self) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=f"http://{self.address}",
            region_name="us-east-1",
            **{name.lower(): value for name, value in KEYS.items()},
        )

    def files(self) -> list[str]:
        """The keys in it."""
        listed = self.client.list_objects_v2(Bucket=self.name).get("Contents", [])
        return [one["Key"] for one in listed]


@contextmanager
def bucket() -> Iterator[Bucket]:
    """A separate bucket: all of moto's servers in one process share their buckets."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    made = Bucket(f"sophia-state-{uuid4().hex[:8]}", f"{host}:{port}")
    made.client.create_bucket(Bucket=made.name)
    try:
        yield made
    finally:
        server.stop()
