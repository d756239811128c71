"""`FirewallRules`: some of a ruleset's rules, kept beside those of other resources."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from providers.lambdalabs.account import Account
from providers.lambdalabs.errors import NOT_LOOKED_AT, UNSEEN, NotFound
from providers.lambdalabs.firewall_rule import (
    MARK_LENGTH,
    FirewallRule,
    faults,
    marking,
    parsed,
)
from providers.lambdalabs.models import Rule
from providers.lambdalabs.rulesets import GLOBAL, Change, Rulesets
from providers.runtime.declare import Context, Created, Fault, Found, Lifecycle, prop


@dataclass(frozen=True)
class FirewallRulesInputs:
    ruleset_id: str = prop(
        replace=True, doc=f"Of a `FirewallRuleset`, or {GLOBAL!r} for all machines of the account."
    )
    rules: list[FirewallRule] = prop(
        replace=True,
        doc="Their descriptions end with a mark of this resource. A change adds new rules before it"
        " removes old ones, so what leaves is let in until it has left.",
    )


@dataclass(frozen=True)
class FirewallRulesOutputs:
    complete: bool = prop(doc="Whether all of them were there when last read.")


class FirewallRules(Lifecycle[FirewallRulesInputs, FirewallRulesOutputs]):
    """Adds its rules to a ruleset, and removes exactly these again."""

    token = "lambdalabs:index:FirewallRules"
    Inputs, Outputs = FirewallRulesInputs, FirewallRulesOutputs
    # As for the ruleset: `pulumi refresh` finds what somebody changed.
    refresh = False

    def __init__(self, account: Account) -> None:
        self._account = account
        self._rulesets = Rulesets.of(account)

    @staticmethod
    def check(inputs: FirewallRulesInputs) -> list[Fault]:
        found = list(faults("rules", inputs.rules, MARK_LENGTH))
        if not inputs.ruleset_id:
            found.insert(0, Fault("rulesetId", "got an empty string, expected a ruleset's id"))
        return found

    @staticmethod
    def drifted(inputs: FirewallRulesInputs, outputs: FirewallRulesOutputs) -> str | None:
        return None if outputs.complete else "rules were removed or changed"

    async def create(
        self, context: Context, inputs: FirewallRulesInputs
    ) -> Created[FirewallRulesOutputs]:
        mark = marking(token(context.urn, inputs))
        await self._put(context, inputs, mark)
        return Created(f"{inputs.ruleset_id}{mark}", FirewallRulesOutputs(True))

    async def read(
        self, context: Context, id: str, inputs: FirewallRulesInputs, outputs: FirewallRulesOutputs
    ) -> Found[FirewallRulesInputs, FirewallRulesOutputs] | None:
        try:
            ruleset = await self._rulesets.look(self._account.calls(context), inputs.ruleset_id)
        except UNSEEN as error:
            context.warn(NOT_LOOKED_AT.format(context.name, error))
            return Found(inputs, outputs)
        if ruleset is None:
            return None
        mark = _mark(id)
        wanted = parsed(inputs.rules, mark)
        live = [rule for rule in ruleset.rules if rule.description.endswith(mark)]
        return Found(inputs, FirewallRulesOutputs(_sorted(live) == _sorted(wanted)))

    async def update(
        self,
        context: Context,
        id: str,
        old: FirewallRulesInputs,
        outputs: FirewallRulesOutputs,
        new: FirewallRulesInputs,
    ) -> FirewallRulesOutputs:
        await self._put(context, new, _mark(id))
        return FirewallRulesOutputs(True)

    async def delete(
        self, context: Context, id: str, inputs: FirewallRulesInputs, outputs: FirewallRulesOutputs
    ) -> None:
        calls = self._account.calls(context)
        try:
            await self._rulesets.change(calls, inputs.ruleset_id, replaced(_mark(id), ()))
        except NotFound:
            return

    async def _put(self, context: Context, inputs: FirewallRulesInputs, mark: str) -> None:
        change = replaced(mark, parsed(inputs.rules, mark))
        await self._rulesets.change(self._account.calls(context), inputs.ruleset_id, change)


def token(urn: str, inputs: FirewallRulesInputs) -> str:
    """Equal for a retry, different for another resource or other rules. Pure."""
    return hashlib.sha256(repr((urn, inputs)).encode()).hexdigest()[:8]


def replaced(mark: str, wanted: tuple[Rule, ...]) -> Change:
    """Replaces the rules with the mark by these. Pure."""

    def change(rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        return (*(rule for rule in rules if not rule.description.endswith(mark)), *wanted)

    return change


def _sorted(rules: list[Rule] | tuple[Rule, ...]) -> list[str]:
    """The order of rules means nothing."""
    return sorted(map(repr, rules))


def _mark(id: str) -> str:
    return id[-MARK_LENGTH:]
