"""`Service`: create and update return when Swarm runs exactly this spec, or say why it does not."""

from __future__ import annotations

import dataclasses

from providers.runtime.declare import (
    Context,
    Created,
    Fault,
    Found,
    Incomplete,
    Lifecycle,
    ResourceFailure,
)
from providers.swarm import labels, ownership
from providers.swarm.errors import NoManager, NotFound, NotSettled, OutOfSequence, Unanswered
from providers.swarm.pool import Pool
from providers.swarm.services import removal, rollout
from providers.swarm.services.comparison import differences
from providers.swarm.services.model import ServiceInputs, ServiceOutputs
from providers.swarm.services.patience import Patience
from providers.swarm.services.render import registry_auth, render
from providers.swarm.services.rollout import Rollout, RolloutFailed
from providers.swarm.services.rules import faults_of
from providers.swarm.services.verdict import (
    Observation,
    abandoned,
    condition,
    proven,
)
from providers.swarm.wire import Json

_ATTEMPTS = 10


class Service(Lifecycle[ServiceInputs, ServiceOutputs]):
    """A service of the cluster. Its name is taken until it is gone: the old one is deleted
    first."""

    token = "swarm:index:Service"
    Inputs, Outputs = ServiceInputs, ServiceOutputs
    delete_before_replace = True
    timeout = Patience.operation

    def __init__(self, pool: Pool, patience: Patience | None = None) -> None:
        self._pool = pool
        self._patience = patience or Patience()

    @staticmethod
    def check(inputs: ServiceInputs) -> list[Fault]:
        return faults_of(inputs)

    @staticmethod
    def drifted(inputs: ServiceInputs, outputs: ServiceOutputs) -> str | None:
        return outputs.condition or None

    async def create(self, context: Context, inputs: ServiceInputs) -> Created[ServiceOutputs]:
        """Raises `Incomplete` if it exists but doesn't converge: the next `up` continues."""
        wanted, auth = render(inputs, context.urn), registry_auth(inputs)
        id, adopted = await ownership.create(
            self._pool, context, "services", inputs.name, wanted, auth
        )
        try:
            if adopted:
                await self._bring_to(context, id, inputs, push=True, revert=False)
            else:
                # There was nothing before: every failed task counts.
                first = Observation(await self._pool.request("GET", f"/services/{id}"))
                await self._wait(context, wanted, first, auth, posted=True, revert=False)
        except ResourceFailure as failure:
            reasons = getattr(failure, "reasons", [str(failure)])
            raise Incomplete(id, _outputs(id, inputs, reasons[0]), reasons) from failure
        return Created(id, _outputs(id, inputs, proven=True))

    async def read(
        self, context: Context, id: str, inputs: ServiceInputs, outputs: ServiceOutputs
    ) -> Found[ServiceInputs, ServiceOutputs] | None:
        """The live image, replicas and labels; `condition` reports any other difference."""
        try:
            seen = await rollout.observe(self._pool, id, context)
        except NotFound:
            return None
        except NoManager as error:
            ownership.believe(context, error)
            return Found(inputs, outputs)
        ownership.hold(self._pool, context, id)
        wanted = render(inputs, context.urn)
        known = outputs.proven or proven(wanted, seen)
        now = _outputs(id, inputs, condition(wanted, seen), proven=known)
        return Found(_live(inputs, seen.service["Spec"]), now)

    async def update(
        self,
        context: Context,
        id: str,
        old: ServiceInputs,
        outputs: ServiceOutputs,
        new: ServiceInputs,
    ) -> ServiceOutputs:
        """Raises `RolloutFailed` after Swarm has rolled back; the state keeps the old inputs.

        If nothing changes and the service was healthy before, lost health is a warning: it must not
        block other deployments.
        """
        if old == new and outputs.proven:
            seen = await rollout.observe(self._pool, id, context)
            if not differences(render(new, context.urn), seen.service["Spec"]):
                return await self._repair(context, id, new, force=abandoned(seen))
        await self._bring_to(context, id, new, push=old.registry != new.registry, revert=True)
        return _outputs(id, new, proven=True)

    async def delete(
        self, context: Context, id: str, inputs: ServiceInputs, outputs: ServiceOutputs
    ) -> None:
        """Waits until its containers have ended: data must not be used twice."""
        await removal.remove(self._pool, context, id, inputs.name)

    async def _repair(
        self, context: Context, id: str, inputs: ServiceInputs, *, force: bool
    ) -> ServiceOutputs:
        """One attempt, and a warning with the cause if it fails."""
        limited = dataclasses.replace(context, timeout=min(context.timeout, self._patience.repair))
        try:
            await self._bring_to(limited, id, inputs, push=force, force=force, revert=False)
        except RolloutFailed as failure:
            lines = "\n".join(failure.reasons)
            context.warn(f"not healthy, and not changed by this run, which continues: {lines}")
            return _outputs(id, inputs, failure.reasons[0], proven=True)
        return _outputs(id, inputs, proven=True)

    async def _bring_to(
        self,
        context: Context,
        id: str,
        inputs: ServiceInputs,
        *,
        push: bool,
        revert: bool,
        force: bool = False,
    ) -> None:
        """Posts the wanted spec unless it is the live one, and waits.

        push: post it anyway (new registry credentials can't be seen in the spec).
        force: start new tasks, too.
        """
        wanted, auth = render(inputs, context.urn), registry_auth(inputs)
        posted = False
        for _ in range(_ATTEMPTS):
            first = await rollout.observe(self._pool, id, context)
            live = first.service["Spec"]
            stuck = first.update_state in ("paused", "rollback_paused")
            if not differences(wanted, live) and (posted or not (push or stuck)):
                return await self._wait(context, wanted, first, auth, posted=posted, revert=revert)
            try:
                await self._post(context, first, wanted, auth, force=force or stuck)
            except OutOfSequence:
                continue
            except Unanswered:
                posted = True  # perhaps: check again
                continue
            return await self._wait(context, wanted, first, auth, posted=True, revert=revert)
        raise NotSettled(
            f"service {inputs.name}: it changed {_ATTEMPTS} times between reading and updating; "
            "something else keeps changing it; run `pulumi up` again"
        )

    async def _post(
        self, context: Context, seen: Observation, wanted: Json, auth: dict[str, str], force: bool
    ) -> None:
        # Without it the counter would go back to 0, which alone starts new tasks.
        counter = int(seen.service["Spec"]["TaskTemplate"].get("ForceUpdate", 0)) + force
        template = {**wanted["TaskTemplate"], "ForceUpdate": counter}
        live = seen.service["Spec"]["TaskTemplate"]
        if not differences(wanted["TaskTemplate"], live, "TaskTemplate"):
            # A label of the first version stays if removing it would be the only cause of new
            # tasks.
            kept = live["ContainerSpec"].get("Labels")
            template["ContainerSpec"] = {**template["ContainerSpec"], "Labels": kept}
        await self._pool.request(
            "POST",
            f"/services/{seen.service['ID']}/update",
            params={"version": str(seen.service["Version"]["Index"])},
            body={**wanted, "TaskTemplate": template},
            headers=auth,
            context=context,
        )

    async def _wait(
        self,
        context: Context,
        wanted: Json,
        first: Observation,
        auth: dict[str, str],
        *,
        posted: bool,
        revert: bool,
    ) -> None:
        back = revert and wanted["UpdateConfig"]["FailureAction"] == "rollback"
        await Rollout(
            self._pool,
            context,
            wanted,
            first,
            auth=auth,
            posted=posted,
            revert=back,
            patience=self._patience,
        ).wait()


def _outputs(
    id: str, inputs: ServiceInputs, condition: str = "", *, proven: bool = False
) -> ServiceOutputs:
    return ServiceOutputs(id, f"tasks.{inputs.name}", condition, proven)


def _live(inputs: ServiceInputs, spec: Json) -> ServiceInputs:
    replicas = spec["Mode"].get("Replicated", {}).get("Replicas", inputs.replicas)
    image = spec["TaskTemplate"]["ContainerSpec"]["Image"]
    return dataclasses.replace(
        inputs, image=image, replicas=replicas, labels=labels.users(spec.get("Labels"))
    )
