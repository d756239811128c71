"""The setting `backup`: the S3 bucket that the database's backups go to. Pure."""

from __future__ import annotations

import re

from components.plan.backup import Repository
from components.reading import Reader
from components.settings_model import Backup, Sensitive

REGION, RETENTION = "us-east-1", 4

_BUCKET = r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
"""S3 User Guide, "General purpose bucket naming rules"."""
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_ENDPOINT = rf"({_LABEL}\.)*{_LABEL}(:[0-9]{{1,5}})?"
_PATH = r"(/[A-Za-z0-9_][A-Za-z0-9._-]*)+"
_LEAST_PASSPHRASE = 20
"""Characters: whoever reads the bucket may try as many as they like."""


def read(top: Reader, prefix: str) -> Backup | None:
    """The setting, None without it; what is wrong goes to the reader's faults. prefix: of the
    stack's physical names, and the default path in the bucket."""
    if not top.has("backup"):
        top.inner("backup").finish()
        return None
    # People paste credentials: only what is public is ever shown.
    reader = top.inner("backup", hidden=True)
    repository = Repository(
        bucket=reader.text(
            "bucket", pattern=_BUCKET, expected="the name of an S3 bucket", public=True
        ),
        region=reader.text(
            "region", REGION, pattern=r"[a-z0-9-]+", expected="such as eu-central-1", public=True
        ),
        endpoint=reader.text(
            "endpoint",
            "",
            pattern=_ENDPOINT,
            expected="a DNS name such as s3.example.com, or name:port, without scheme; by TLS",
            public=True,
        ),
        path=reader.text(
            "path", "", pattern=_PATH, expected="a path such as /sophia-prod", public=True
        )
        or f"/{prefix}",
        retention=reader.integer("retention", RETENTION, low=1, high=520),
        authority=reader.text(
            "ca",
            "",
            pattern=r"(?s)\s*-----BEGIN CERTIFICATE-----.*-----END CERTIFICATE-----\s*",
            expected="a certificate in PEM",
        ),
        restore_only=reader.flag("restoreOnly", False),
    )
    for name in ("path", "passphrase"):
        if repository.restore_only and not reader.has(name):
            expected = f"that of the stack whose backups these are, as {reader.key('restoreOnly')}"
            reader.missing(name, expected, "set it, or remove that key")
    if repository.authority and not repository.endpoint:
        reader.fault("ca", "", f"none without {reader.key('endpoint')}: Amazon's is a public one")
    found = Backup(
        repository,
        access_key=_key(reader, "accessKey"),
        secret_key=_key(reader, "secretKey"),
        passphrase=_key(reader, "passphrase", ""),
    )
    if 0 < len(found.passphrase.reveal()) < _LEAST_PASSPHRASE:
        reader.fault("passphrase", "", f"{_LEAST_PASSPHRASE} characters or more")
    reader.finish()
    return found


def _key(reader: Reader, name: str, *default: str) -> Sensitive:
    advice = f"run `pulumi config set --secret --path '{reader.key(name)}'`"
    value = reader.secret(name, *default, advice=advice)
    if re.search(r"\s", value):
        reader.fault(name, "", "a text without spaces", advice)
    return Sensitive(value)
