"""An account's calls, paced and retried, shared by all resources of one provider process."""

from __future__ import annotations

import asyncio
import functools
import itertools
import random
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import replace
from typing import Any, ParamSpec, TypeVar

from providers.lambdalabs.client import LambdaClient
from providers.lambdalabs.errors import OUTCOME_UNKNOWN, TRANSIENT, LambdaError, RateLimited
from providers.lambdalabs.models import Key, Listed, Machine, Offer
from providers.lambdalabs.pacer import Pacer
from providers.lambdalabs.snapshot import Snapshot
from providers.runtime.declare import Cancelled, Context

P = ParamSpec("P")
T = TypeVar("T")

LONGEST_PAUSE = 30.0
"""Longest pause between two tries of a failing request, in seconds."""


class Account:
    """A client, with the pacer and the list of machines that all resources share.

    patience: seconds in which one failing request is retried, on top of what the API asks to wait.
    poll_seconds: between two polls of something that takes long.
    search_seconds: how long to look for a launch whose answer was lost.
    max_age: seconds for which a list of the machines is used.
    condemned: ids of machines that were read as broken. They are replaced even if they recover
    before their successor is launched.
    launched: ids of machines that this process has launched, with the URN they were launched for.
    Only these may be terminated for not becoming ready: any other may be in service.
    recorded: ids of machines that this process knows to be in a state, see `instance.recorded`.
    told: warnings that are given only once.
    """

    def __init__(
        self,
        client: LambdaClient,
        pacer: Pacer,
        patience: float = 120.0,
        poll_seconds: float = 5.0,
        search_seconds: float = 24.0,
        max_age: float = 2.0,
    ) -> None:
        self.client = client
        self.pacer = pacer
        self.patience = patience
        self.poll_seconds = poll_seconds
        self.search_seconds = search_seconds
        self.max_age = max_age
        self.snapshot = Snapshot(pacer.clock)
        self.condemned: set[str] = set()
        self.launched: dict[str, str] = {}
        self.recorded: set[str] = set()
        self.told: set[str] = set()

    async def owns(self, calls: Calls, key_id: str, tags: Mapping[str, str]) -> bool:
        """Whether this account has an SSH key of that id, or a machine with all these tags. True
        without a key id, which older states don't have."""
        if not key_id:
            return True
        if tags and any(tags.items() <= one.tags.items() for one in await calls.machines()):
            return True
        return any(key.id == key_id for key in await calls.ssh_keys())

    def use_spare_key(self) -> bool:
        """Whether the client has a spare key. It is used from now on, perhaps on another
        account."""
        self.snapshot.forget()
        return self.client.use_spare_key()

    def calls(self, context: Context) -> Calls:
        """The calls of one operation, with its deadline and interruption."""
        return Calls(self, context)

    def calls_outside(self, seconds: float) -> Calls:
        """Calls that belong to no resource (functions)."""
        silent: Callable[[str], None] = lambda text: None  # noqa: E731
        return Calls(self, Context("", seconds, asyncio.Event(), silent, silent))


class Calls:
    """Makes calls for one operation: `await calls(client.machine, id)`."""

    def __init__(self, account: Account, context: Context) -> None:
        self.client = account.client
        self.sleep = context.sleep
        self.poll_seconds = account.poll_seconds
        self._account = account
        self._context = context
        self._pacer = account.pacer
        self._deadline = account.pacer.clock() + context.timeout

    @property
    def left(self) -> float:
        """Seconds until the operation's deadline."""
        return self._deadline - self._pacer.clock()

    async def __call__(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """A call that may be repeated: retried after 429, 5xx, timeouts and lost answers."""

        def begin() -> Awaitable[T]:
            return self.unless_interrupted(asyncio.to_thread(function, *args, **kwargs))

        return await self._call(begin, TRANSIENT, launch=False)

    async def once(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """A call that must not take effect twice: retried only if it certainly had no effect.

        Raises one of `OUTCOME_UNKNOWN` if it may have had one.
        """
        work = functools.partial(asyncio.to_thread, function, *args, **kwargs)
        return await self._call(work, _CERTAIN, launch=False)

    async def launch(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Like `once`, at the pace of launches."""
        work = functools.partial(asyncio.to_thread, function, *args, **kwargs)
        try:
            return await self._call(work, _CERTAIN, launch=True)
        finally:
            self._account.snapshot.forget()

    async def machines(self, max_age: float | None = None) -> Listed[Machine]:
        """The account's machines except terminated ones, as listed at most `max_age` seconds ago
        (default: the account's `max_age`)."""
        # With the account's patience, so one caller's deadline doesn't fail all who share the
        # answer.
        shared = Calls(self._account, replace(self._context, timeout=self._account.patience))
        age = self._account.max_age if max_age is None else max_age

        async def listed() -> Listed[Machine]:
            return await self._account.snapshot.machines(lambda: shared(self.client.machines), age)

        return self._readable("machines", await self.unless_interrupted(listed()))

    async def ssh_keys(self) -> Listed[Key]:
        """All SSH keys of the account."""
        return self._readable("SSH keys", await self(self.client.ssh_keys))

    async def offers(self) -> dict[str, Offer]:
        """What can be rented, by name."""
        offers = self._readable("instance types", await self(self.client.instance_types))
        return {offer.name: offer for offer in offers}

    async def machine(self, id: str, max_age: float | None = None) -> Machine:
        """One machine: from the list, and by its id if it isn't there. Raises `NotFound`."""
        for machine in await self.machines(max_age):
            if machine.id == id:
                return machine
        return await self(self.client.machine, id)

    def _readable(self, what: str, found: Listed[T]) -> Listed[T]:
        for odd in found.left_out:
            warning = f"the account's {what}: skipped one that can't be read, {odd}"
            if warning not in self._account.told:
                self._account.told.add(warning)
                self._context.warn(warning)
        return found

    async def terminate(self, id: str) -> None:
        """Asks to terminate a machine."""
        try:
            await self(self.client.terminate, id)
        finally:
            self._account.snapshot.forget()

    async def unless_interrupted(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`. Raises `Cancelled` as soon as the user interrupts; what it has
        begun may still happen."""
        task = asyncio.ensure_future(work)
        interruption = asyncio.ensure_future(self._context.cancelled.wait())
        try:
            await asyncio.wait((task, interruption), return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise Cancelled(f"{self._context.name}: interrupted")
        finally:
            task.cancel()
            interruption.cancel()

    async def _call(
        self,
        begin: Callable[[], Awaitable[T]],
        again: tuple[type[LambdaError], ...],
        *,
        launch: bool,
    ) -> T:
        patience = self._account.patience
        for attempt in itertools.count():
            await self._pacer.turn(self.sleep, launch=launch)
            if trouble := self._pacer.trouble():
                self._context.warn(trouble)
            started = self._pacer.clock()
            try:
                return await begin()
            except again as error:
                asked = getattr(error, "retry_after", None)
                # With jitter, so that calls that failed together don't retry together.
                backoff = min(LONGEST_PAUSE, 2.0**attempt) * random.uniform(0.5, 1.0)
                pause = backoff if asked is None else asked
                patience -= self._pacer.clock() - started + (backoff if asked is None else 0)
                if patience < 0 or pause > self.left:
                    raise
                self._context.progress(f"{error}: retrying in {pause:.0f} s")
                if isinstance(error, RateLimited) or asked is not None:
                    self._pacer.hold(pause)
                else:
                    await self.sleep(pause)
        raise AssertionError("unreachable")


_CERTAIN = tuple(kind for kind in TRANSIENT if kind not in OUTCOME_UNKNOWN)
