"""S3 on this machine (moto): as a backend of Pulumi's, and by TLS for backups."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import boto3
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import BaseWSGIServer, make_server

KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


@dataclass(frozen=True)
class Bucket:
    """address: host and port of S3. authority: a file with its CA, "" without TLS."""

    name: str
    address: str
    authority: str = ""

    @property
    def backend(self) -> str:
        """What `pulumi login` takes."""
        return f"s3://{self.name}?endpoint={self.address}&disableSSL=true&s3ForcePathStyle=true"

    @property
    def client(self) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=f"http{'s' if self.authority else ''}://{self.address}",
            verify=self.authority or None,
            region_name="us-east-1",
            **{name.lower(): value for name, value in KEYS.items()},
        )

    def files(self) -> list[str]:
        """The keys in it."""
        listed = self.client.list_objects_v2(Bucket=self.name).get("Contents", [])
        return [one["Key"] for one in listed]


@contextmanager
def serving(
    ip: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
) -> Iterator[int]:
    """The port of a server. All servers of one process share their buckets."""
    app = DomainDispatcherApplication(create_backend_app)
    server = make_server(
        ip, port, app, threaded=True, request_handler=MotoRequestHandler, ssl_context=tls
    )
    if tls:
        _say_goodbye(server)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server.port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _say_goodbye(server: BaseWSGIServer) -> None:
    """Ends connections as TLS has it: pgBackRest takes a plain end for a truncated answer."""
    end = server.shutdown_request

    def shutdown_request(request: ssl.SSLSocket) -> None:
        with suppress(OSError):
            request.settimeout(1)
            request.unwrap()
        end(request)

    server.shutdown_request = shutdown_request


@contextmanager
def bucket() -> Iterator[Bucket]:
    """A separate bucket: all of moto's servers in one process share their buckets."""
    with serving() as port:
        made = Bucket(f"sophia-state-{uuid4().hex[:8]}", f"127.0.0.1:{port}")
        made.client.create_bucket(Bucket=made.name)
        yield made
