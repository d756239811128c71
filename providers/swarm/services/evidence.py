"""Fetches what explains a failed task: its log, its container, the registry's answer.

Nothing here raises: missing evidence must not hide the failure that it would explain.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from urllib.parse import quote

from providers.swarm import membership
from providers.swarm.engine import Engine
from providers.swarm.errors import EngineError, SwarmError
from providers.swarm.pool import Pool
from providers.swarm.services import diagnosis
from providers.swarm.services.diagnosis import Failure, Kind
from providers.swarm.services.patience import Patience
from providers.swarm.wire import Json


async def explain(pool: Pool, task: Json, auth: Mapping[str, str]) -> Failure:
    """Why a task ended. Call it at once: Swarm removes the evidence in 7 s."""
    lines, node = await asyncio.gather(logs(pool, task), _node(pool, task))
    shown = await _container(pool, task, node)
    failure = diagnosis.explain(task, shown, lines, _hostname(node))
    if failure.kind is Kind.IMAGE:
        said = await _registry_says(pool, task["Spec"]["ContainerSpec"]["Image"], auth)
        return Failure(failure.kind, f"{failure.cause}{said}", failure.when, failure.logs)
    return failure


async def logs(pool: Pool, task: Json) -> tuple[str, ...]:
    """A task's last log lines; none if it never started or is gone."""
    params = {"stdout": "1", "stderr": "1", "tail": str(diagnosis.LOG_LINES)}
    try:
        raw = await pool.request(
            "GET", f"/tasks/{task['ID']}/logs", params=params, within=Patience.evidence
        )
    except SwarmError:
        return ()
    return diagnosis.log_lines(raw) if isinstance(raw, bytes) else ()


async def container(pool: Pool, task: Json) -> Json | None:
    """The task's container as the Engine of its node shows it; None if that can't be reached."""
    return await _container(pool, task, await _node(pool, task))


async def _container(pool: Pool, task: Json, node: Json | None) -> Json | None:
    id = (task["Status"].get("ContainerStatus") or {}).get("ContainerID")
    engine = await _engine(pool, node) if id and node else None
    if engine is None:
        return None
    try:
        shown: Json = await engine.request(
            "GET", f"/containers/{id}/json", within=Patience.evidence
        )
    except SwarmError:
        return None
    return shown


async def _node(pool: Pool, task: Json) -> Json | None:
    if not task.get("NodeID"):
        return None
    try:
        node: Json = await pool.request("GET", f"/nodes/{task['NodeID']}", within=Patience.evidence)
    except SwarmError:
        return None
    return node


async def _engine(pool: Pool, node: Json) -> Engine | None:
    labels = node["Spec"].get("Labels") or {}
    if labels.get(membership.ADDRESS) and labels.get(membership.HOST_KEY):
        return pool.node(labels[membership.ADDRESS], labels[membership.HOST_KEY])
    for endpoint in pool.config.managers:
        engine = pool.node(endpoint.address, endpoint.host_key)
        try:
            info = await engine.request("GET", "/info", within=Patience.evidence)
        except SwarmError:
            continue
        if info["Swarm"]["NodeID"] == node["ID"]:
            return engine
    return None


async def _registry_says(pool: Pool, image: str, auth: Mapping[str, str]) -> str:
    """Only the node's log has the reason; a manager that asks for the same image gets it, too."""
    try:
        await pool.request(
            "GET",
            f"/distribution/{quote(image, safe='/:@')}/json",
            headers=auth,
            within=Patience.evidence,
        )
    except EngineError as error:
        return f" (asked by a manager, the registry says: {_short(error.message)})"
    except SwarmError:
        return ""
    return " (a manager can see it in the registry: does the node trust and reach the registry?)"


def _hostname(node: Json | None) -> str:
    return str(((node or {}).get("Description") or {}).get("Hostname", ""))


def _short(text: str) -> str:
    return json.dumps(" ".join(text.split())[:300], ensure_ascii=False).strip('"')
