"""The managers, and the choice of one that can speak for the cluster.

The constants rest on these timings: an election after a lost leader takes up to 23 s, and calls in
flight to the lost leader hang for 20 s (measured, Engine 20.10).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import asyncssh

from providers.runtime.declare import Context, prop
from providers.swarm.engine import ANSWER, CALL, Endpoint, Engine
from providers.swarm.errors import (
    ConnectionFailed,
    Leaderless,
    NoManager,
    SwarmError,
    Unanswered,
)

PATIENCE = 60.0
"""Seconds to wait in all while managers answer but have no leader: more than two elections."""
ABSENCE = 20.0
"""Seconds to wait in all while no manager answers: there is no election, and a blip is over."""
TRUST = 5.0
"""Seconds for which a checked manager is used without another check."""
JOINS = 10
"""Workers that join at the same time: the leader signs a certificate for each."""
_GRUDGE = 60.0
"""Seconds after an unsuccessful wait in which managers are asked only once, without waiting."""
_ROUND = 0.5


@dataclass(frozen=True)
class SwarmConfig:
    """The provider's configuration. All empty is enough for `KeyPair` and `Certificate`."""

    managers: list[Endpoint] = prop(
        default_factory=list, doc="Nodes that are, or will become, managers."
    )
    user: str = prop(default="", doc="Login user for ssh, who may use the Engine's socket.")
    private_key: str = prop(
        default="",
        secret=True,
        doc="OpenSSH private key of that user. Former ones may follow: they are tried after it, as"
        " a node that was unreachable at a rotation knows no other, and `NodeSetup` revokes them.",
    )
    cluster_id: str = prop(default="", doc="Only managers of this cluster are trusted.")


@dataclass(frozen=True)
class _Verdict:
    """fault: why it can't speak for the cluster. outside: it answers that it is in no swarm."""

    engine: Engine
    fault: str | None
    electing: bool = False
    outside: bool = False


class Pool:
    """The managers, one connection each; what `Provider.configure` returns.

    Constructed without I/O. Bound to the event loop in which it is first used.
    """

    def __init__(self, config: SwarmConfig) -> None:
        asyncssh.set_log_level(logging.CRITICAL)
        self.config = config
        self.holders: dict[str, str] = {}
        """URNs of the resources that this process has created or read, by their objects' ids."""
        self.turn = asyncio.Lock()
        """Held by the operation that takes a node out of service, for a moment or for good, or
        changes its role."""
        self.joins = asyncio.Semaphore(JOINS)
        """Held by workers that join."""
        self.broken = ""
        """What went wrong with a node that was out of service: no other node follows it."""
        self._engines: dict[Endpoint, Engine] = {}
        self._learned: list[Endpoint] = []
        self._choosing = asyncio.Lock()
        self._trusted: dict[str, tuple[Engine, float]] = {}
        self._gave_up: dict[str, float] = {}
        self._ended: set[str] = set()
        self._probes: set[asyncio.Task[_Verdict]] = set()

    def node(self, address: str, host_key: str) -> Engine:
        """The Engine of one given node, member or not. No I/O yet."""
        endpoint = Endpoint(address, host_key)
        if endpoint not in self._engines:
            self._engines[endpoint] = Engine(endpoint, self.config.user, self.config.private_key)
        return self._engines[endpoint]

    @property
    def managers(self) -> list[Endpoint]:
        """All possible managers: the configured ones, then the learned ones."""
        return list(dict.fromkeys([*self.config.managers, *self._learned]))

    def learn(self, endpoints: Sequence[Endpoint]) -> None:
        """Adds earlier managers, which speak for the cluster while the configured ones are all new
        machines that haven't joined yet."""
        self._learned = list(dict.fromkeys([*self._learned, *endpoints]))

    def give_up(self, cluster_id: str) -> None:
        """We have ended the cluster: further calls don't wait."""
        self._ended.add(cluster_id)
        self._trusted.pop(cluster_id, None)
        self._gave_up[cluster_id] = asyncio.get_running_loop().time()

    async def living(self, cluster_id: str) -> list[Endpoint]:
        """The managers of the cluster that answer now, each asked once."""
        verdicts = await asyncio.gather(
            *(_probe(self.node(m.address, m.host_key), cluster_id) for m in self.managers)
        )
        return [verdict.engine.endpoint for verdict in verdicts if verdict.fault is None]

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        within: float = CALL,
        cluster_id: str | None = None,
        context: Context | None = None,
    ) -> Any:
        """One call to the cluster, through any manager that can speak for it.

        GET and DELETE are repeated with another manager when an answer is missing (a repeated
        DELETE may find nothing: `NotFound`). Other methods are repeated only where nothing was
        done; otherwise `Unanswered` is raised: look, then repeat.
        cluster_id: default the configured one. context: lets a wait end when the user interrupts.
        Raises `NoManager` when none answers, and `EngineError` for the Engine's refusals.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE
        while True:
            engine = await self.engine(cluster_id, context=context)
            try:
                return await engine.request(
                    method, path, params=params, body=body, headers=headers, within=within
                )
            except (Leaderless, ConnectionFailed, Unanswered) as error:
                self._trusted.clear()
                unsafe = isinstance(error, Unanswered) and method not in ("GET", "DELETE")
                if unsafe or loop.time() > deadline:
                    raise
            await _pause(context)

    async def engine(
        self,
        cluster_id: str | None = None,
        *,
        context: Context | None = None,
    ) -> Engine:
        """A manager that answers, has a leader, and belongs to the cluster; raises `NoManager`."""
        wanted = self.config.cluster_id if cluster_id is None else cluster_id
        now = asyncio.get_running_loop().time
        async with self._choosing:
            engine, until = self._trusted.get(wanted, (None, 0.0))
            if engine is not None and now() < until:
                return engine
            engine = await self._choose(wanted, engine, context)
            self._trusted[wanted] = (engine, now() + TRUST)
            return engine

    async def now(self, context: Context | None = None) -> float:
        """Unix time by a manager's clock, accurate to a second."""
        engine = await self.engine(context=context)
        return time.time() - engine.ahead

    async def close(self) -> None:
        """Ends all connections."""
        for probe in self._probes:
            probe.cancel()
        for engine in self._engines.values():
            await engine.close()

    async def _choose(self, wanted: str, last: Engine | None, context: Context | None) -> Engine:
        loop = asyncio.get_running_loop()
        if not self.managers:
            raise NoManager("the provider has no managers configured (managers, user, privateKey)")
        if last is not None and (await _probe(last, wanted)).fault is None:
            return last
        begun = loop.time()
        patience, answer = PATIENCE, ANSWER
        if begun - self._gave_up.get(wanted, -_GRUDGE) < _GRUDGE:
            patience = 0.0
        while True:
            verdicts = await self._ask_all(wanted, answer)
            answer = min(2 * answer, CALL)
            for verdict in verdicts:
                if verdict.fault is None:
                    self._gave_up.pop(wanted, None)
                    self._ended.discard(wanted)
                    return verdict.engine
            waited = loop.time() - begun
            hopeful = any(verdict.electing for verdict in verdicts)
            if waited >= min(patience, PATIENCE if hopeful else ABSENCE):
                self._gave_up[wanted] = loop.time()
                outside = all(verdict.outside for verdict in verdicts)
                dissolved = outside or wanted in self._ended
                raise NoManager(_nobody(wanted, waited, verdicts), dissolved)
            await _pause(context)

    async def _ask_all(self, wanted: str, within: float) -> list[_Verdict]:
        """Asks all at once; returns the first good answer, or else everybody's fault."""
        engines = [self.node(m.address, m.host_key) for m in self.managers]
        pending = {asyncio.create_task(_probe(engine, wanted, within)) for engine in engines}
        self._probes |= pending
        faults: list[_Verdict] = []
        while pending:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            self._probes -= done
            verdicts = [task.result() for task in done]
            good = [verdict for verdict in verdicts if verdict.fault is None]
            if good:
                for task in pending:
                    task.add_done_callback(self._probes.discard)
                return good
            faults += verdicts
        return faults


async def _probe(engine: Engine, wanted: str, within: float = ANSWER) -> _Verdict:
    """Can this node speak for the cluster? Never raises a `SwarmError`."""
    try:
        info = await engine.request("GET", "/info", within=within)
    except Unanswered as error:  # it may be waiting for a leader
        return _Verdict(engine, str(error), electing=True)
    except SwarmError as error:
        return _Verdict(engine, str(error))
    swarm = info["Swarm"]
    state = swarm["LocalNodeState"]
    if not swarm["ControlAvailable"]:
        fault = f"{engine.address} is not a manager (swarm state {state})"
        return _Verdict(engine, fault, outside=state == "inactive")
    if swarm.get("Error"):
        return _Verdict(engine, f"{engine.address} is a manager without a leader", electing=True)
    found = swarm["Cluster"]["ID"]
    if wanted and found != wanted:
        return _Verdict(engine, f"{engine.address} manages another cluster, {found}")
    return _Verdict(engine, None)


def _nobody(wanted: str, waited: float, verdicts: list[_Verdict]) -> str:
    cluster = f"cluster {wanted}" if wanted else "the cluster"
    faults = "; ".join(sorted(verdict.fault or "" for verdict in verdicts))
    return f"no manager of {cluster} answers (asked for {waited:.0f} s): {faults}"


async def _pause(context: Context | None) -> None:
    """A pause between two rounds; raises `Cancelled` when the user interrupts."""
    if context is None:
        await asyncio.sleep(_ROUND)
    else:
        await context.sleep(_ROUND)
