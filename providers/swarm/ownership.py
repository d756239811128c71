"""Named objects that are ours: created by this resource, perhaps in a killed run."""

from __future__ import annotations

import json
from collections.abc import Mapping

from providers.runtime.declare import Context
from providers.swarm import labels
from providers.swarm.errors import Conflict, NoManager, SwarmError, Unanswered
from providers.swarm.pool import Pool
from providers.swarm.wire import Json

_ATTEMPTS = 3


async def create(
    pool: Pool,
    context: Context,
    collection: str,
    name: str,
    body: Json,
    headers: Mapping[str, str] | None = None,
) -> tuple[str, bool]:
    """Creates an object of `/services`, `/networks`, `/secrets` or `/configs`, or adopts it.

    Returns its id, and whether it was there already: an earlier create of the same resource was
    killed, or its answer was lost. Raises `SwarmError` when the name is somebody else's.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            made = await pool.request(
                "POST", f"/{collection}/create", body=body, headers=headers, context=context
            )
        except (Conflict, Unanswered) as error:
            found = await find(pool, context, collection, name)
            if found is not None:
                return hold(pool, context, _own(pool, found, collection, name, context.urn)), True
            if attempt == _ATTEMPTS:
                raise
            context.progress(f"asking again: {error}")
            await context.sleep(1.0)
        else:
            return hold(pool, context, str(made.get("ID") or made["Id"])), False
    raise AssertionError("unreachable")


def hold(pool: Pool, context: Context, id: str) -> str:
    """Notes whose the object is; its id."""
    pool.holders[id] = context.urn
    return id


async def find(pool: Pool, context: Context, collection: str, name: str) -> Json | None:
    """The object of exactly this name (the API's own filter also takes prefixes)."""
    filters = {"filters": json.dumps({"name": [name]})}
    listed = await pool.request("GET", f"/{collection}", params=filters, context=context)
    for item in listed:
        if item.get("Name", item.get("Spec", {}).get("Name")) == name:
            found: Json = item
            return found
    return None


async def users(pool: Pool, context: Context, kind: str, id: str) -> list[str]:
    """The names of the services whose current spec holds a Secret, Config or Network of this id."""
    found = []
    for service in await pool.request("GET", "/services", context=context):
        template = service["Spec"]["TaskTemplate"]
        if kind == "Network":
            ids = [network["Target"] for network in template.get("Networks") or []]
        else:
            files = template.get("ContainerSpec", {}).get(f"{kind}s") or []
            ids = [file[f"{kind}ID"] for file in files]
        if id in ids:
            found.append(service["Spec"]["Name"])
    return sorted(found)


def believe(context: Context, error: NoManager) -> None:
    """A cluster without a reachable manager must not block a refresh: the recorded state is
    kept."""
    context.warn(f"{context.name}: taken as recorded without asking the cluster: {error}")


def forget(context: Context, error: NoManager) -> None:
    """Objects of a cluster that has ended are gone with it. Raises `NoManager` otherwise: what
    can't be checked may still run. (With its cluster the engine deletes it without asking us.)"""
    if not error.dissolved:
        raise NoManager(
            f"{context.name} is not deleted: {error}. Run it again when a manager answers. If the "
            f"cluster is gone for good: `pulumi state delete '{context.urn}'`"
        ) from None
    context.warn(f"{context.name} is gone with its cluster: {error}")


def _own(pool: Pool, found: Json, collection: str, name: str, urn: str) -> str:
    carried = found.get("Labels") or found.get("Spec", {}).get("Labels") or {}
    if not labels.is_own(carried, urn, name):
        raise SwarmError(
            f"{collection[:-1]} {name} exists already, and was not made by this resource "
            f"(its label {labels.OWNER} is {carried.get(labels.OWNER, 'missing')!r}, expected "
            f"{labels.owner(urn, name)!r}): remove it, or choose another name"
        )
    id = str(found.get("ID") or found["Id"])
    if pool.holders.get(id, urn) != urn:
        raise SwarmError(
            f"{collection[:-1]} {name} exists already, and was not made by this resource but by "
            f"{pool.holders[id]}: choose another name, or give this one that urn as an alias"
        )
    return id
