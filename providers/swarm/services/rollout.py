"""Waits until Swarm runs exactly the wanted spec, or reports why it never will."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Mapping
from typing import NoReturn

from providers.runtime.declare import Context
from providers.swarm.errors import NotFound, OutOfSequence, SwarmError, Unanswered
from providers.swarm.pool import Pool
from providers.swarm.services import diagnosis, evidence
from providers.swarm.services.comparison import differences
from providers.swarm.services.diagnosis import Failure
from providers.swarm.services.patience import Patience
from providers.swarm.services.verdict import (
    TERMINAL,
    Converged,
    Failed,
    Observation,
    RolledBack,
    Verdict,
    Waiting,
    Watch,
    active,
    condition,
    doubled,
)
from providers.swarm.wire import Json


class RolloutFailed(SwarmError):
    """A service doesn't run as wanted. cause: one line. logs: the last lines of a failed task."""

    def __init__(self, name: str, cause: str, logs: tuple[str, ...]) -> None:
        self.reasons = diagnosis.told(f"service {name}", cause, logs)
        super().__init__("\n".join(self.reasons))


async def observe(pool: Pool, service_id: str, context: Context | None = None) -> Observation:
    """One look at the service. Raises `NotFound` if there is no such service."""
    filters = {"filters": json.dumps({"service": [service_id]})}
    service, tasks = await asyncio.gather(
        pool.request("GET", f"/services/{service_id}", context=context),
        pool.request("GET", "/tasks", params=filters, context=context),
    )
    nodes = []
    waiting = any(task["Status"]["State"] == "pending" for task in tasks)
    if waiting or "Global" in service["Spec"]["Mode"]:
        nodes = await pool.request("GET", "/nodes", context=context)
    return Observation(service, tasks, nodes, await pool.now(context))


class Rollout:
    """One create or update in progress.

    first: the look before the change, so old failures don't count. auth: the registry header.
    posted: whether anything was changed. revert: whether to roll back after a failure.
    """

    def __init__(
        self,
        pool: Pool,
        context: Context,
        wanted: Json,
        first: Observation,
        *,
        auth: Mapping[str, str],
        posted: bool,
        revert: bool,
        patience: Patience,
    ) -> None:
        self._pool, self._context, self._auth = pool, context, auth
        self._wanted, self._name, self._revert = wanted, wanted["Name"], revert and posted
        self._id = str(first.service["ID"])
        self._deadline = time.monotonic() + context.timeout
        monitor = wanted["UpdateConfig"]["Monitor"] / 1e9
        self._watch = Watch(wanted, first, posted, time.monotonic(), monitor, patience)
        self._patience = patience
        self._told = ""
        self._doubled: float | None = None

    async def wait(self) -> None:
        """Returns when it has converged. Raises `RolloutFailed`, or `Cancelled`."""
        while True:
            seen, verdict = await self._look()
            if isinstance(verdict, Converged):
                return
            if isinstance(verdict, RolledBack):
                await self._rolled_back(verdict)
            if isinstance(verdict, Failed):
                self._revert = self._revert and not verdict.foreign
                await self._failed(verdict.cause, verdict.failure)
            if time.monotonic() > self._deadline:
                cause = f"not converged within {self._context.timeout:.0f} s: {verdict.detail}"
                stuck = await self._stuck(seen)
                await self._failed(cause + (stuck.cause if stuck else ""), stuck)
            await self._end_surplus(seen)
            await self._context.sleep(self._patience.poll)

    async def _look(self) -> tuple[Observation, Verdict]:
        try:
            seen = await observe(self._pool, self._id, self._context)
        except NotFound:
            raise RolloutFailed(self._name, "somebody removed it in between", ()) from None
        unexplained = self._watch.unexplained(seen)
        found = await asyncio.gather(
            *(evidence.explain(self._pool, task, self._auth) for task in unexplained)
        )
        for task, failure in zip(unexplained, found, strict=True):
            self._watch.explain(task, failure)
        verdict = self._watch.judge(seen, time.monotonic())
        if isinstance(verdict, (Waiting, Converged)):
            self._tell(verdict.progress)
        return seen, verdict

    async def _rolled_back(self, verdict: RolledBack) -> NoReturn:
        blamed = self._watch.last_failure
        cause = blamed.cause if blamed else verdict.message
        seen = await self._until_reverted(cause)
        raise RolloutFailed(
            self._name, f"{cause}; {self._reverted(seen)}", blamed.logs if blamed else ()
        )

    async def _failed(self, cause: str, blamed: Failure | None) -> NoReturn:
        blamed = blamed or self._watch.last_failure
        if self._revert:
            cause = f"{cause}; {await self._roll_back(cause)}"
        raise RolloutFailed(self._name, cause, blamed.logs if blamed else ())

    async def _roll_back(self, cause: str) -> str:
        """Requests the rollback that Swarm starts by itself only if a task fails in time."""
        seen = await observe(self._pool, self._id, self._context)
        if seen.update_state.startswith("rollback"):
            return self._reverted(await self._until_reverted(cause))
        if not seen.service.get("PreviousSpec"):
            return "nothing to roll back to"
        try:
            await self._post(seen, rollback="previous")
        except SwarmError as error:
            return f"rolling back failed as well: {error}"
        return self._reverted(await self._until_reverted(cause))

    async def _until_reverted(self, cause: str) -> Observation:
        """Waits until the rollback has ended, for at most half the operation's timeout; then some
        seconds more for the tasks to follow."""
        self._tell(f"rolling back: {cause}")
        deadline = max(self._deadline, time.monotonic() + self._context.timeout / 2)
        settled = float("inf")
        while True:
            seen = await observe(self._pool, self._id, self._context)
            if seen.update_state not in ("rollback_started", "updating"):
                settled = min(settled, time.monotonic() + self._patience.reverted)
                if not condition(seen.service["Spec"], seen):
                    return seen
            if time.monotonic() > min(deadline, settled):
                return seen
            await self._end_surplus(seen)
            await self._context.sleep(self._patience.poll)

    async def _end_surplus(self, seen: Observation) -> None:
        """Makes Swarm check again slots that stay doubled: any update does, even with the same
        spec."""
        now = time.monotonic()
        self._doubled = (self._doubled or now) if doubled(seen) else None
        if self._doubled is None or now - self._doubled < self._patience.doubled:
            return
        self._doubled = None
        with contextlib.suppress(OutOfSequence, Unanswered):
            await self._post(seen)

    async def _post(self, seen: Observation, **params: str) -> None:
        """Posts the live spec again. Swarm keeps its registry credentials."""
        await self._pool.request(
            "POST",
            f"/services/{self._id}/update",
            params={"version": str(seen.service["Version"]["Index"]), **params},
            body=seen.service["Spec"],
            context=self._context,
        )

    async def _stuck(self, seen: Observation) -> Failure | None:
        """What a task that never became healthy reports."""
        for task in active(seen):
            if task["Status"]["State"] not in ("running", "pending", *TERMINAL):
                lines = await evidence.logs(self._pool, task)
                output = diagnosis.health_output(await evidence.container(self._pool, task))
                return Failure(
                    diagnosis.Kind.HEALTH, f"; health check{output}" if output else "", "", lines
                )
        return None

    def _tell(self, line: str) -> None:
        if line != self._told:
            self._told = line
            self._context.progress(line)

    def _reverted(self, seen: Observation) -> str:
        if seen.update_state in ("rollback_started", "updating"):
            return f"its roll-back has not ended yet ({seen.update_message})"
        if seen.update_state == "rollback_paused":
            return f"its roll-back is paused ({seen.update_message})"
        now = condition(seen.service["Spec"], seen) or "all replicas running"
        if not differences(self._wanted, seen.service["Spec"]):
            return f"new tasks of the same spec don't help ({now})"
        return f"rolled back to the previous spec ({now})"
