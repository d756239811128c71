"""A preview in Markdown, the worst first: losses, replacements, the price. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from ops.ci.preview import INSTANCE, Change, Preview

LONGEST = 60_000
"""GitHub allows 65,536 characters in a comment."""

_DONE = {"create": "created", "update": "updated", "replace": "replaced", "delete": "deleted"}


def markdown(preview: Preview, stack: str, cents: Mapping[str, int]) -> str:
    """The comment on a pull request. cents: US cents per hour by instance type."""
    return cut("\n".join([f"### What this does to `{_code(stack)}`", *parts(preview, cents)]))


def cut(text: str) -> str:
    """The text, cut to what GitHub accepts."""
    return (
        text if len(text) <= LONGEST else f"{text[:LONGEST]}\n\n… cut here; the log has all of it"
    )


def parts(preview: Preview, cents: Mapping[str, int] | None) -> Iterator[str]:
    """The lines. cents: if None, prices are left out."""
    if preview.errors:
        yield from ("", "**Refused.** `pulumi up` would stop here, and change nothing:")
        yield from _fenced(preview.errors)
    changes = preview.changes
    yield from _listed("**Data may be lost**", (one for one in changes if one.loses))
    machines = [one for one in changes if one.type == INSTANCE and not one.loses]
    yield from _listed(
        "**Machines are terminated**", (one for one in machines if one.op in ("replace", "delete"))
    )
    others = [one for one in changes if one.type != INSTANCE and not one.loses]
    yield from _listed("Replaced", (one for one in others if one.op == "replace"))
    yield from _listed("Deleted", (one for one in others if one.op == "delete"))
    if cents is not None and not preview.errors:
        yield from _price(preview, cents)
    if preview.warnings:
        yield from ("", "Warnings:")
        yield from _fenced(preview.warnings)
    yield from _all(changes)


def _listed(title: str, changes: Iterable[Change]) -> Iterator[str]:
    lines = [f"- {_line(one)}" for one in changes]
    if lines:
        yield from ("", f"{title} ({len(lines)}):", "", *lines)


def _line(one: Change) -> str:
    text = f"`{_code(one.name)}` ({_code(one.type)}) is {_DONE.get(one.op, one.op)}"
    if one.old or one.new:
        text += f": {one.old or 'none'} → {one.new or 'none'}"
    if one.volumes:
        text += f", it holds {', '.join(f'`{_code(id)}`' for id in one.volumes)}"
    return text + (f" ({_code(', '.join(one.why))})" if one.why else "")


def _price(preview: Preview, cents: Mapping[str, int]) -> Iterator[str]:
    before, after = preview.prices(cents)
    change = f"{'+' if after >= before else '-'}${abs(after - before) / 100:,.2f}"
    yield from ("", f"**Price an hour:** ${before / 100:,.2f} → ${after / 100:,.2f} ({change})")
    unknown = {kind for pair in preview.machines for kind in pair if kind and kind not in cents}
    if unknown:
        yield f"Not counted, as the API reports no price: {', '.join(sorted(unknown))}"
    if preview.cost:
        yield from ("", _code(preview.cost))


def _all(changes: Iterable[Change]) -> Iterator[str]:
    changes = list(changes)
    if not changes:
        yield from ("", "Nothing changes.")
        return
    counts = Counter(_DONE.get(one.op, one.op) for one in changes)
    total = ", ".join(f"{number} {what}" for what, number in sorted(counts.items()))
    yield from ("", f"<details><summary>{total}</summary>", "")
    yield from (f"- {_line(one)}" for one in changes)
    yield from ("", "</details>")


def _fenced(texts: Iterable[str]) -> Iterator[str]:
    yield from ("", "```text", *(text.replace("```", "'''") for text in texts), "```")


def _code(text: str) -> str:
    """Escapes what would end a code span, start HTML or mention people."""
    return re.sub(r"[`<>@]", "'", text)
