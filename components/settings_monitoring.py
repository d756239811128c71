"""The setting `monitoring`: whether the platform is watched, and how people are told. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from components.plan.monitoring import Email
from components.plan.policies import IMAGE
from components.reading import REQUIRED, Reader
from components.settings_model import Monitoring, Sensitive

_ADDRESS = r"[^@\s,<>]+@[^@\s,<>]+"
_SMARTHOST = r"[A-Za-z0-9.-]+:[0-9]{1,5}"
_WEBHOOK = r"https://[^\s/@]+/\S+"
_PAGES = r"https?://[^\s/@]+(/\S*)?"
_EXPORTER = "NVIDIA's image with its digest, such as nvcr.io/nvidia/k8s/dcgm-exporter@sha256:…"


def read(top: Reader) -> Monitoring:
    """The setting; what is wrong goes to the reader's faults."""
    # Whoever puts the webhook where the mapping belongs is not shown it.
    reader = top.inner("monitoring", hidden=not isinstance(top.plain("monitoring") or {}, Mapping))
    enabled = reader.flag("enabled", False)
    slack = reader.secret("slack", "")
    if slack and not re.fullmatch(_WEBHOOK, slack):
        expected = "the address of a Slack webhook, such as https://hooks.slack.com/services/…"
        reader.fault("slack", slack, expected, hidden=True)
    heartbeat = reader.secret("heartbeat", "")
    if heartbeat and not re.fullmatch(_WEBHOOK, heartbeat):
        expected = "an address that takes a POST each minute, such as https://hc-ping.com/…"
        reader.fault("heartbeat", heartbeat, expected, hidden=True)
    email, password = _email(reader.inner("email"), given=reader.has("email"))
    exporter = reader.text("gpuExporter", "", pattern=f"({IMAGE})?", expected=_EXPORTER)
    most = reader.number("maxUsdPerMonth", 0.0, low=0, high=1_000_000_000)
    pages = "an address such as https://github.com/example/sophia/blob/main"
    runbooks = reader.text("runbooks", "", pattern=_PAGES, expected=pages)
    reader.finish()
    ways = (Sensitive(slack), Sensitive(heartbeat), email, Sensitive(password))
    return Monitoring(enabled, exporter, most, *ways, runbooks)


def _email(reader: Reader, *, given: bool) -> tuple[Email | None, str]:
    """What is mailed, and the password. given: whether there is anything below the key."""
    default = REQUIRED if given else ""
    host = "a mail server's host:port, such as smtp.example.com:587"
    address = "an address such as sophia@example.com"
    found = Email(
        smarthost=reader.text("smarthost", default, pattern=_SMARTHOST, expected=host),
        sender=reader.text("from", default, pattern=_ADDRESS, expected=address),
        to=reader.texts("to", REQUIRED if given else (), pattern=_ADDRESS, expected=address),
        username=reader.text("username", ""),
    )
    password = reader.secret("password", "")
    if found.username and not reader.has("password"):
        advice = f"run `pulumi config set --secret --path '{reader.key('password')}'`"
        reader.missing("password", f"a text, as there is {reader.key('username')}", advice)
    if reader.has("password") and not reader.has("username"):
        reader.missing("username", f"a text, as there is {reader.key('password')}", "set it")
    reader.finish()
    return (found if given else None), password
