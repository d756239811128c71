"""What `Secret` and `Config` share: immutable content under a name that carries its hash."""

from __future__ import annotations

import base64

from providers.runtime.declare import Context
from providers.swarm import labels as own_labels
from providers.swarm import ownership
from providers.swarm.errors import EngineError, NoManager, NotFound, OutOfSequence, SwarmError
from providers.swarm.pool import Pool
from providers.swarm.wire import Json

LARGEST = 500 * 1024
"""Bytes; Swarm's limit for the data of one."""
_ATTEMPTS = 5


class Content:
    """The calls for one kind of object: `Secret` (/secrets) or `Config` (/configs)."""

    def __init__(self, pool: Pool, kind: str) -> None:
        self._pool, self._kind, self._collection = pool, kind, f"{kind.lower()}s"

    async def create(self, context: Context, name: str, data: str, labels: dict[str, str]) -> str:
        """Its id. One of the same name and resource has the same content: it is adopted."""
        body = {
            "Name": name,
            "Labels": self._labels(context, name, labels),
            "Data": base64.b64encode(data.encode()).decode(),
        }
        id, _ = await ownership.create(self._pool, context, self._collection, name, body)
        return id

    async def labels(
        self, context: Context, id: str, recorded: dict[str, str]
    ) -> dict[str, str] | None:
        """The live labels without ours; the recorded ones where no manager answers; None: gone."""
        try:
            found = await self._get(context, id)
            ownership.hold(self._pool, context, id)
        except NotFound:
            return None
        except NoManager as error:
            ownership.believe(context, error)
            return recorded
        return own_labels.users(found["Spec"].get("Labels"))

    async def relabel(self, context: Context, id: str, labels: dict[str, str]) -> None:
        """Only labels can be changed."""
        for _ in range(_ATTEMPTS):
            found = await self._get(context, id)
            name = found["Spec"]["Name"]
            spec = {**found["Spec"], "Labels": self._labels(context, name, labels)}
            version = {"version": str(found["Version"]["Index"])}
            path = f"/{self._collection}/{id}/update"
            try:
                await self._pool.request("POST", path, params=version, body=spec, context=context)
                return
            except OutOfSequence:
                continue
        raise SwarmError(f"{self._kind} {id}: somebody else keeps changing it, try again")

    async def delete(self, context: Context, id: str, name: str) -> None:
        """Refused while a service's spec uses it; the error names the services."""
        try:
            await self._pool.request("DELETE", f"/{self._collection}/{id}", context=context)
        except NotFound:
            return
        except NoManager as error:
            ownership.forget(context, error)
        except EngineError as error:
            users = await ownership.users(self._pool, context, self._kind, id)
            if not users:
                raise
            raise SwarmError(
                f"{self._kind.lower()} {name} is still in use by {', '.join(users)}: its services "
                "have to run without it first; run `pulumi up` again when they have converged"
            ) from error

    def _labels(self, context: Context, name: str, labels: dict[str, str]) -> dict[str, str]:
        return {**labels, own_labels.OWNER: own_labels.owner(context.urn, name)}

    async def _get(self, context: Context, id: str) -> Json:
        found: Json = await self._pool.request("GET", f"/{self._collection}/{id}", context=context)
        return found
