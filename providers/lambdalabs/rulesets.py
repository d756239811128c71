"""An account's firewall rulesets, which several resources share.

The API replaces all rules of a ruleset at once: changes are made one after another, and those that
wait are sent together. Concurrent reads share one list.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from weakref import WeakKeyDictionary

from providers.lambdalabs.account import Account, Calls
from providers.lambdalabs.client import LambdaClient
from providers.lambdalabs.errors import NotFound
from providers.lambdalabs.models import Rule, Ruleset

GLOBAL = "global"
"""The id of the ruleset that applies to all machines of the account."""

Change = Callable[[tuple[Rule, ...]], tuple[Rule, ...]]
"""From the present rules to the wanted ones."""


class Rulesets:
    """Reads and changes of one account; get it from `of`."""

    def __init__(self, client: LambdaClient, max_age: float) -> None:
        self._client = client
        self._max_age = max_age
        self._looking = asyncio.Lock()
        self._seen: dict[str, Ruleset] = {}
        self._seen_at = float("-inf")
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._waiting: defaultdict[str, list[tuple[Change, asyncio.Future[None]]]] = defaultdict(
            list
        )

    @classmethod
    def of(cls, account: Account) -> Rulesets:
        """The same instance for all resources of an account."""
        return _RULESETS.setdefault(account, cls(account.client, account.max_age))

    async def look(self, calls: Calls, id: str) -> Ruleset | None:
        """A ruleset, at most the account's `max_age` old, or None if there is none."""
        clock = asyncio.get_running_loop().time
        async with self._looking:
            if clock() - self._seen_at >= self._max_age:
                seen = {one.id: one for one in await calls(self._client.rulesets)}
                self._seen, self._seen_at = seen, clock()
        if id in self._seen:
            return self._seen[id]
        try:
            # The list lacks the global one, and those that can't be read, which are reported.
            return await calls(self._client.ruleset, id)
        except NotFound:
            return None

    async def change(self, calls: Calls, id: str, change: Change) -> None:
        """Changes the ruleset's rules. Raises `NotFound` if there is no such ruleset."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[id].append((change, done))
        async with self._turns[id]:
            if not done.done():
                await self._change_all(calls, id, self._waiting.pop(id))
        await done

    async def _change_all(
        self, calls: Calls, id: str, batch: list[tuple[Change, asyncio.Future[None]]]
    ) -> None:
        try:
            before = (await calls(self._client.ruleset, id)).rules
            after = before
            for change, _ in batch:
                after = change(after)
            self.forget()
            if after != before:
                await calls(self._client.change_ruleset, id, after)
        except Exception as error:
            for _, done in batch:
                done.set_exception(error)
        else:
            for _, done in batch:
                done.set_result(None)

    def forget(self) -> None:
        """Something was changed: earlier answers are out of date."""
        self._seen_at = float("-inf")


_RULESETS: WeakKeyDictionary[Account, Rulesets] = WeakKeyDictionary()
