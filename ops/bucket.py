"""Buckets of S3: the one with the state, and the one with the backups."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from ops.stack import StackError

_CONFIG = {"connect_timeout": 5, "read_timeout": 30, "retries": {"total_max_attempts": 2}}


class NoBucket(StackError):
    """S3 does not answer, or refuses."""


@dataclass(frozen=True)
class Bucket:
    """A bucket and a path in it, without slashes around it. Every method raises NoBucket."""

    name: str
    path: str
    client: Any

    def keeps_versions(self) -> bool:
        """Whether a file that is overwritten or deleted can be had back."""
        with _told(self.name):
            status = self.client.get_bucket_versioning(Bucket=self.name).get("Status")
        return bool(status == "Enabled")

    def names(self, folder: str = "") -> list[str]:
        """Of all files below the path and a folder in it, sorted; each is a name for the others."""
        below = "/".join(part for part in (self.path, folder) if part)
        with _told(self.name):
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.name, Prefix=f"{below}/" if below else ""
            )
            return sorted(one["Key"] for page in pages for one in page.get("Contents", ()))

    def read(self, name: str, first: int = 0) -> bytes:
        """A file, or only its first bytes."""
        only = {"Range": f"bytes=0-{first - 1}"} if first else {}
        with _told(self.name):
            answer = self.client.get_object(Bucket=self.name, Key=name, **only)
            content: bytes = answer["Body"].read()
        return content

    def write(self, name: str, content: bytes) -> None:
        """A file below the path."""
        with _told(self.name):
            self.client.put_object(Bucket=self.name, Key=f"{self.path}/{name}", Body=content)

    def delete(self, name: str) -> None:
        """A file, by what `names` calls it."""
        with _told(self.name):
            self.client.delete_object(Bucket=self.name, Key=name)


def of_state(environment: Mapping[str, str]) -> Bucket | None:
    """That of the environment's Pulumi backend, None for a backend of another kind."""
    found = urlsplit(environment.get("PULUMI_BACKEND_URL", ""))
    if found.scheme != "s3":
        return None
    given = {key: values[-1] for key, values in parse_qs(found.query).items()}
    session = boto3.Session(
        aws_access_key_id=environment.get("AWS_ACCESS_KEY_ID"),
        aws_secret_access_key=environment.get("AWS_SECRET_ACCESS_KEY"),
        aws_session_token=environment.get("AWS_SESSION_TOKEN"),
        region_name=given.get("region") or environment.get("AWS_REGION"),
        profile_name=environment.get("AWS_PROFILE"),
    )
    scheme = "http" if given.get("disableSSL") == "true" else "https"
    endpoint = given.get("endpoint")
    if endpoint and "://" not in endpoint:
        endpoint = f"{scheme}://{endpoint}"
    client = session.client("s3", endpoint_url=endpoint, config=_config(endpoint))
    return Bucket(found.netloc, found.path.strip("/"), client)


@contextmanager
def of_backups(settings: Mapping[str, str], path: str) -> Iterator[Bucket]:
    """That of the setting `backup`. path: in it, where the setting names none."""
    endpoint = settings.get("endpoint")
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as authority:
        authority.write(settings.get("ca", ""))
        authority.flush()
        client = boto3.client(
            "s3",
            endpoint_url=f"https://{endpoint}" if endpoint else None,
            verify=authority.name if settings.get("ca") else None,
            aws_access_key_id=settings["accessKey"],
            aws_secret_access_key=settings["secretKey"],
            region_name=settings.get("region") or "us-east-1",
            config=_config(endpoint),
        )
        yield Bucket(settings["bucket"], (settings.get("path") or path).strip("/"), client)


def _config(endpoint: str | None) -> Config:
    """Services other than Amazon's need no DNS name for each bucket that way."""
    return Config(**_CONFIG, s3={"addressing_style": "path" if endpoint else "auto"})


@contextmanager
def _told(name: str) -> Iterator[None]:
    try:
        yield
    except (ClientError, BotoCoreError, OSError) as error:
        raise NoBucket(f"bucket {name}: {error}") from None
