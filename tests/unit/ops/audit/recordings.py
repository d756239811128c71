"""A node as it said itself to be, and the same with something changed.

Recorded from a simulated node that was set up as ours are (Docker 20.10, one manager), with a
service `web` as the provider makes them, and a container `stranger` that a person started.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ops.audit.nodes import Node

PARTS: dict[str, Any] = json.loads((Path(__file__).parent / "recorded" / "node.json").read_text())


def node(change: Callable[[dict[str, Any]], object] = lambda parts: None, **texts: str) -> Node:
    """change: of the parts, those that are JSON as objects. texts: parts in place of those."""
    parts = copy.deepcopy(PARTS)
    change(parts)
    said = {
        name: part if isinstance(part, str) else json.dumps(part)
        for name, part in (parts | texts).items()
    }
    return Node("olga", "manager", said)


def container(parts: dict[str, Any], name: str = "web") -> dict[str, Any]:
    """That of the service."""
    (found,) = [one for one in parts["containers"] if name in one["Name"]]
    assert isinstance(found, dict)
    return found
