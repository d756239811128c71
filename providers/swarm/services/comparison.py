"""Where a live ServiceSpec differs from the wanted one, whoever changed it. Pure.

The whole spec is compared, not only the keys that we write: `docker service update --host-add` sets
one that we never do. What the Engine adds by itself is in `_ADDED`.
Source: moby/moby daemon/cluster/convert (service.go, container.go), 20.10 to 28.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from providers.swarm import labels

_CONTAINER = "TaskTemplate.ContainerSpec"

_ADDED = {
    "TaskTemplate.Runtime": "container",
    f"{_CONTAINER}.Isolation": "default",
    f"{_CONTAINER}.Privileges.Seccomp.Mode": "default",
    f"{_CONTAINER}.Privileges.AppArmor.Mode": "default",
    f"{_CONTAINER}.Mounts[].BindOptions.Propagation": "rprivate",
}
"""Values that a live spec has although nobody wrote them, or that mean the same as nothing."""

_COUNTER = "TaskTemplate.ForceUpdate"
"""How often tasks were restarted, by anybody: `docker service update --force`."""

_DROPPED = f"{_CONTAINER}.Privileges.NoNewPrivileges"
"""Engines before 25.0 (API 1.44) drop it: there daemon.json's `no-new-privileges` applies."""


def differences(wanted: Any, live: Any, path: str = "", *, ours: bool = False) -> list[str]:
    """Paths, such as `TaskTemplate.ContainerSpec.Image`, at which a live spec differs.

    Absent equals empty, since the Engine omits empty values. Values are not shown: they may be
    secret. The former label of ownership counts as today's. path: of both within a spec.
    ours: only keys that we write, which no newer Engine changes by itself.
    """
    return list(_differences(wanted, live, path, ours))


def _differences(wanted: Any, live: Any, path: str, ours: bool) -> Iterator[str]:
    if path == _COUNTER or (path == _DROPPED and not live):
        return
    if isinstance(wanted or {}, Mapping) and isinstance(live or {}, Mapping):
        yield from _in_mappings(wanted or {}, live or {}, path, ours)
    elif isinstance(wanted, list) and isinstance(live, list) and len(wanted) == len(live):
        for index, value in enumerate(wanted):
            yield from _differences(value, live[index], f"{path}[{index}]", ours)
    elif (wanted or _added(path)) != (live or _added(path)):
        yield path


def _in_mappings(
    wanted: Mapping[str, Any], live: Mapping[str, Any], path: str, ours: bool
) -> Iterator[str]:
    # In labels and options every key is the user's, so an added one counts even if it is empty.
    users = path.endswith(("Labels", "Options"))
    for key in dict.fromkeys([*wanted, *live]):
        inner = f"{path}.{key}" if path else key
        if key == labels.OWNER and key not in live and labels.FORMER_OWNER in live:
            continue
        if key == labels.FORMER_OWNER and key not in wanted:
            continue
        if key in wanted or not (users or ours):
            yield from _differences(wanted.get(key), live.get(key), inner, ours)
        elif users:
            yield inner


def _added(path: str) -> Any:
    return _ADDED.get(re.sub(r"\[\d+\]", "[]", path))
