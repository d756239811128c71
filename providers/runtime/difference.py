"""What a change of inputs means: nothing, an update or a replacement. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from providers.runtime import codec
from providers.runtime.codec import Wire
from providers.runtime.declare import Change, Lifecycle, property_of


@dataclass(frozen=True)
class Difference:
    """changed: camelCase names of inputs that differ; `replaces`: those that force a replacement.

    stale and drifted: reasons found in the live resource; notice: about an update; refused: why
    nothing of it may be done; see `Lifecycle`.
    """

    changed: list[str] = field(default_factory=list)
    replaces: list[str] = field(default_factory=list)
    stale: str | None = None
    drifted: str | None = None
    notice: str | None = None
    refused: str | None = None

    @property
    def any(self) -> bool:
        return bool(self.changed or self.stale or self.drifted)


def difference(
    lifecycle: type[Lifecycle[Any, Any]],
    old: Mapping[str, Wire],
    outputs: Mapping[str, Wire],
    new: Mapping[str, Wire],
) -> Difference:
    """Compares recorded inputs with new ones, and asks the lifecycle about the live resource.

    An input that is unknown in a preview counts as changed.
    """
    changed, replaces, unknown = [], [], set()
    for item, kind in codec.fields_of(lifecycle.Inputs):
        key = codec.camel(item.name)
        after = codec.normal(item, kind, new.get(key))
        if codec.has_unknown(after):
            unknown.add(item.name)
        if after == codec.UNKNOWN or codec.normal(item, kind, old.get(key)) != after:
            changed.append(key)
            if property_of(item).replace:
                replaces.append(key)
    before = codec.decode(lifecycle.Inputs, old)
    known = {k: old.get(k) if codec.has_unknown(value) else value for k, value in new.items()}
    wanted = codec.decode(lifecycle.Inputs, known)
    live = codec.decode(lifecycle.Outputs, outputs)
    stale, drifted = lifecycle.stale(wanted, live), lifecycle.drifted(before, live)
    notice = None
    if changed and not replaces and not stale and not codec.has_unknown(new):
        notice = lifecycle.notice(before, codec.decode(lifecycle.Inputs, new))
    refused = None
    if changed or stale or drifted:
        replaced = stale or (f"another {', '.join(replaces)}" if replaces else None)
        refused = lifecycle.refused(Change(before, live, wanted, frozenset(unknown), replaced))
    return Difference(changed, replaces, stale, drifted, notice, refused)
