"""The labels by which a repeated create recognises its own object. Pure.

The owner is named as people would name it, without the URN: an alias or a moved component changes
nothing. Objects of the first version carry a hash of the URN instead, on services' containers as
well. They keep it until they change anyway, since removing it would restart the containers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

OWNER = "sophia.owner"
FORMER_OWNER = "sophia.urn"


def owner(urn: str, name: str) -> str:
    """`<project>/<stack>/<name>`; an urn begins with "urn:pulumi:<stack>::<project>::"."""
    stack, project, _ = urn.split("::", 2)
    return f"{project}/{stack.rsplit(':', 1)[-1]}/{name}"


def former_owner(urn: str) -> str:
    return hashlib.sha256(urn.encode()).hexdigest()[:16]


def is_own(labels: Mapping[str, str], urn: str, name: str) -> bool:
    """Whether the resource created the object with these labels, in any version."""
    if OWNER in labels:
        return labels[OWNER] == owner(urn, name)
    return labels.get(FORMER_OWNER) == former_owner(urn)


def users(labels: Mapping[str, str] | None) -> dict[str, str]:
    """The labels without ours."""
    ours = (OWNER, FORMER_OWNER)
    return {key: value for key, value in (labels or {}).items() if key not in ours}
