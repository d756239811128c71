"""`Job`: runs to its end. Create and update return when it has ended, or say why it failed.

Swarm runs a job again at *any* update of its service, even of a label (swarmkit, UpdateService).
So it is never updated: to run again, it is removed and created. A failed job is removed at once,
so that nothing retries it unseen.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence

from providers.runtime.declare import Cancelled, Context, Created, Fault, Incomplete, Lifecycle
from providers.swarm import labels, ownership
from providers.swarm.errors import NoManager, NotFound, NotSettled, SwarmError
from providers.swarm.pool import Pool
from providers.swarm.services import (
    diagnosis,
    evidence,
    last_run,
    removal,
    rollout,
)
from providers.swarm.services.model import JobInputs, JobOutputs
from providers.swarm.services.patience import Patience
from providers.swarm.services.render import SPEC_LABEL, registry_auth, render_job
from providers.swarm.services.rules import job_faults
from providers.swarm.services.verdict import Observation, homeless, is_homeless
from providers.swarm.wire import Json

_ATTEMPTS = 3
_NO_STATUS = -1
_NOTHING = JobOutputs(_NO_STATUS, [])


class JobFailed(SwarmError):
    """A job that failed. reasons: its cause and last lines, one per line."""

    def __init__(self, name: str, cause: str, outputs: JobOutputs) -> None:
        self.reasons = diagnosis.told(f"job {name}", cause, outputs.logs)
        self.outputs = outputs
        super().__init__("\n".join(self.reasons))


class Job(Lifecycle[JobInputs, JobOutputs]):
    """Runs when it is created and whenever an input changes; once for the same inputs if it
    succeeds.

    The next `up` waits for a job whose `up` was killed, and retries a failed one. So a job may run
    more than once, and must tolerate that.
    """

    token = "swarm:index:Job"
    Inputs, Outputs = JobInputs, JobOutputs
    # What it has done is done, even if somebody removes its service afterwards.
    refresh = False
    timeout = Patience.operation

    def __init__(self, pool: Pool, patience: Patience | None = None) -> None:
        self._pool = pool
        self._patience = patience or Patience()

    @staticmethod
    def check(inputs: JobInputs) -> list[Fault]:
        return job_faults(inputs)

    async def create(self, context: Context, inputs: JobInputs) -> Created[JobOutputs]:
        """Raises `Incomplete` if it fails: the next `up` runs it again."""
        try:
            return Created(inputs.name, await self._run(context, inputs))
        except JobFailed as failure:
            raise Incomplete(inputs.name, failure.outputs, failure.reasons) from failure
        except Cancelled as interruption:  # it still runs
            raise Incomplete(inputs.name, _NOTHING, [str(interruption)]) from interruption

    async def update(
        self,
        context: Context,
        id: str,
        old: JobInputs,
        outputs: JobOutputs,
        new: JobInputs,
    ) -> JobOutputs:
        hashes = {_label(render_job(inputs, context.urn)) for inputs in (old, new)}
        same = outputs.exit_status == 0 and len(hashes) == 1
        if same and not (new.scheduled and new.registry != old.registry):
            return outputs
        if same:
            await self._make_room(context, new)
        return await self._run(context, new)

    async def delete(
        self, context: Context, id: str, inputs: JobInputs, outputs: JobOutputs
    ) -> None:
        try:
            found = await ownership.find(self._pool, context, "services", inputs.name)
        except NoManager as error:
            ownership.forget(context, error)
            return
        if found and labels.is_own(found["Spec"].get("Labels") or {}, context.urn, inputs.name):
            await removal.remove(self._pool, context, found["ID"], inputs.name)

    async def _run(self, context: Context, inputs: JobInputs) -> JobOutputs:
        """The outputs of a run for these inputs: one that has succeeded or is under way, or else a
        new one. Raises `JobFailed`."""
        wanted, auth = render_job(inputs, context.urn), registry_auth(inputs)
        for _ in range(_ATTEMPTS):
            id, found = await ownership.create(
                self._pool, context, "services", inputs.name, wanted, auth
            )
            if found and not await self._serves(context, id, inputs, wanted):
                await removal.remove(self._pool, context, id, inputs.name)
                continue
            return await self._ended(context, id, inputs, auth)
        raise NotSettled(f"job {inputs.name}: somebody else keeps creating its service")

    async def _make_room(self, context: Context, inputs: JobInputs) -> None:
        """Removes the service, whose spec is as wanted, once what runs by its schedule has ended.
        A new one takes the registry's credentials: until then a later run would use the old ones.
        """
        found = await ownership.find(self._pool, context, "services", inputs.name)
        if found and labels.is_own(found["Spec"].get("Labels") or {}, context.urn, inputs.name):
            with contextlib.suppress(JobFailed):
                await self._ended(context, found["ID"], inputs, registry_auth(inputs))
            await removal.remove(self._pool, context, found["ID"], inputs.name)

    async def _serves(self, context: Context, id: str, inputs: JobInputs, wanted: Json) -> bool:
        """Whether an existing service has run for these inputs, or is running."""
        try:
            seen = await rollout.observe(self._pool, id, context)
        except NotFound:
            return False
        is_same = _label(seen.service["Spec"]) == _label(wanted)
        return is_same and len(_of(seen, *last_run.FAILED)) <= inputs.retries

    async def _ended(
        self, context: Context, id: str, inputs: JobInputs, auth: dict[str, str]
    ) -> JobOutputs:
        deadline = time.monotonic() + context.timeout
        homeless_since: float | None = None
        progress = ""
        while True:
            try:
                seen = await rollout.observe(self._pool, id, context)
            except NotFound:
                raise JobFailed(inputs.name, "somebody removed it in between", _NOTHING) from None
            failed, done = _of(seen, *last_run.FAILED), _of(seen, "complete")
            if len(failed) > inputs.retries:
                cause, outputs = await self._explained(failed, auth)
                raise await self._given_up(context, id, inputs, cause, outputs)
            if len(done) >= inputs.tasks:
                return JobOutputs(0, list(await evidence.logs(self._pool, done[-1])))
            now = time.monotonic()
            lost = [task for task in _of(seen, "pending") if is_homeless(task, seen)]
            homeless_since = (homeless_since or now) if lost else None
            if homeless_since and now - homeless_since >= self._patience.pending:
                raise await self._given_up(context, id, inputs, homeless(seen, lost), _NOTHING)
            line = _progress(seen, inputs)
            if now > deadline:
                cause = f"has not ended within {context.timeout:.0f} s and still runs: {line}"
                raise JobFailed(inputs.name, f"{cause}. The next `up` waits for it", _NOTHING)
            if line != progress:
                progress = line
                context.progress(line)
            await context.sleep(self._patience.poll)

    async def _explained(
        self, failed: Sequence[Json], auth: dict[str, str]
    ) -> tuple[str, JobOutputs]:
        last = max(failed, key=lambda task: str(task["Status"].get("Timestamp", "")))
        failure = await evidence.explain(self._pool, last, auth)
        tries = f" ({len(failed)} tasks in a row)" if len(failed) > 1 else ""
        code = (last["Status"].get("ContainerStatus") or {}).get("ExitCode") or _NO_STATUS
        return f"{failure.cause}{tries}", JobOutputs(code, list(failure.logs))

    async def _given_up(
        self, context: Context, id: str, inputs: JobInputs, cause: str, outputs: JobOutputs
    ) -> JobFailed:
        """The failure, once Swarm can't retry the job."""
        try:
            await removal.remove(self._pool, context, id, inputs.name)
        except SwarmError as error:
            cause = f"{cause}; Swarm may retry it, since it could not be removed: {error}"
        return JobFailed(inputs.name, cause, outputs)


def _of(seen: Observation, *states: str) -> list[Json]:
    """The tasks of its last run that are in one of these states."""
    tasks = last_run.tasks_of(seen.service, seen.tasks)
    return [task for task in tasks if task["Status"]["State"] in states]


def _label(spec: Json) -> str:
    return str((spec["TaskTemplate"]["ContainerSpec"].get("Labels") or {}).get(SPEC_LABEL, ""))


def _progress(seen: Observation, inputs: JobInputs) -> str:
    states = [task["Status"]["State"] for task in seen.tasks] or ["new"]
    told = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    return f"tasks {len(_of(seen, 'complete'))} of {inputs.tasks} done ({told})"
