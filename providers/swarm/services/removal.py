"""Removes a service and waits for its containers: data must not be used twice."""

from __future__ import annotations

import asyncio
import json
import time

from providers.runtime.declare import Context
from providers.swarm import ownership
from providers.swarm.errors import NoManager, NotFound, NotSettled
from providers.swarm.pool import Pool
from providers.swarm.services.patience import Patience
from providers.swarm.services.verdict import TERMINAL


async def remove(pool: Pool, context: Context, id: str, name: str) -> None:
    """A missing service is fine, and so is a missing cluster. Raises `NoManager`, `NotSettled`."""
    try:
        await pool.request("DELETE", f"/services/{id}", context=context)
    except NotFound:
        pass
    except NoManager as error:
        ownership.forget(context, error)
        return
    await _until_ended(pool, context, id, name)


async def _until_ended(pool: Pool, context: Context, id: str, name: str) -> None:
    # The tasks of a service that is gone are found by their names.
    filters = {"filters": json.dumps({"name": [f"{name}."]})}
    deadline = time.monotonic() + context.timeout
    while True:
        tasks, nodes = await asyncio.gather(
            pool.request("GET", "/tasks", params=filters, context=context),
            pool.request("GET", "/nodes", context=context),
        )
        lost = {node["ID"] for node in nodes if node["Status"]["State"] == "down"}
        left = [
            task
            for task in tasks
            if task["ServiceID"] == id
            and task["Status"]["State"] not in TERMINAL
            and task.get("NodeID")  # a job's task that waits for a node stays for a minute and more
            and task["NodeID"] not in lost
        ]
        if not left:
            return
        context.progress(f"{len(left)} tasks still shutting down")
        if time.monotonic() > deadline:
            raise NotSettled(
                f"service {name} is removed, but {len(left)} of its containers still run "
                f"after {context.timeout:.0f} s"
            )
        await context.sleep(Patience.poll)
