"""The daily check: what differs from the code, what is unknown, what expires soon. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from ops import gateways
from ops.audit import certificates
from ops.ci import summary
from ops.ci.preview import Preview
from ops.orphans import Orphan, lines

_SUCCESSOR = (
    "Its successor has to reach every client before it ends: see docs/how-to/rotate-a-key.md."
)

_NOT_COMPARED = "## The code and the machines could not be compared"


def title(stack: str) -> str:
    """The title of the stack's only issue."""
    return f"Stack {stack} is not as it should be"


def report(
    stack: str,
    preview: Preview | str,
    orphans: Sequence[Orphan] | str,
    drilled: int,
    jobs: Sequence[str],
    outputs: Mapping[str, Any],
    now: datetime,
) -> str:
    """The issue's text, "" if all is well. preview, orphans: if a text, the reason why it
    failed. drilled: machines of a restore drill. jobs: a line for each one whose last run
    failed, or left something out."""
    parts = [
        *_preview(stack, preview),
        *_unseen(preview),
        *_orphans(stack, orphans),
        *_drilled(stack, drilled),
        *_jobs(jobs),
        *_certificate(outputs, now),
    ]
    return _issue(parts) if parts else ""


def unable(why: str) -> str:
    """The issue's text where nothing could be looked at."""
    return _issue(["## Nothing could be checked", "", *_told(why)])


def _issue(parts: Sequence[str]) -> str:
    end = "This issue is updated each day, and closed when all is well."
    return summary.cut("\n".join([end, "", *parts]))


def _preview(stack: str, preview: Preview | str) -> Iterator[str]:
    if isinstance(preview, Preview) and not (preview.changes or preview.errors):
        return
    if isinstance(preview, str):
        yield from (_NOT_COMPARED, "", *_told(f"`pulumi preview` failed:\n{preview}"))
        return
    if preview.errors:
        # Nobody has to have changed anything: an API that is away ends here, too.
        yield from (_NOT_COMPARED, *summary.parts(preview, None), "")
        return
    yield from (
        "## The code and the machines differ",
        "",
        "Somebody changed something by hand, a node or service is broken, or `main` was not"
        f" deployed. Run the workflow `deploy` (or `make deploy STACK={stack}`), or change the"
        " code.",
        *summary.parts(preview, None),
        "",
    )


def _unseen(preview: Preview | str) -> Iterator[str]:
    """They count as unchanged, and nobody knows whether they are."""
    if isinstance(preview, Preview) and preview.unseen:
        yield from ("## What could not be checked", "", *_told("\n".join(preview.unseen)))


def _orphans(stack: str, orphans: Sequence[Orphan] | str) -> Iterator[str]:
    if not orphans:
        return
    yield from ("## Machines that no state knows", "")
    told = orphans if isinstance(orphans, str) else "\n".join(lines(orphans))
    yield from _told(told)
    if not isinstance(orphans, str):
        yield f"`make orphans STACK={stack}` lists them again; nothing else terminates them."
        yield ""


def _drilled(stack: str, count: int) -> Iterator[str]:
    if count:
        yield from (
            "## A restore drill that did not end",
            "",
            f"`{stack}-drill` still rents {count}, unless a drill is under way. `make drill"
            f" STACK={stack}` destroys it before it begins anew.",
            "",
        )


def _jobs(jobs: Sequence[str]) -> Iterator[str]:
    if jobs:
        yield from ("## Jobs that failed", "")
        yield from _told("\n".join(jobs))
        yield "`make logs SERVICE=…` has a job's last lines."
        yield ""


def _certificate(outputs: Mapping[str, Any], now: datetime) -> Iterator[str]:
    certificate = outputs.get("gateway_certificate")
    if certificate and now >= datetime.fromisoformat(certificate["renew_from"]):
        yield from ("## The gateway's certificate", "", gateways.validity(certificate, now), "")
    if soon := list(certificates.of_authorities(outputs, now)):
        yield from ("## The gateway's own CA", "", *soon, "", _SUCCESSOR, "")


def _told(text: str) -> Iterator[str]:
    yield from ("```text", text.replace("```", "'''"), "```", "")
