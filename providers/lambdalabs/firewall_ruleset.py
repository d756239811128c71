"""`FirewallRuleset`: what a machine lets in, given to it at its launch."""

from __future__ import annotations

from dataclasses import dataclass, replace

from providers.lambdalabs.account import Account, Calls
from providers.lambdalabs.errors import (
    NOT_LOOKED_AT,
    OUTCOME_UNKNOWN,
    UNSEEN,
    NotFound,
    OtherAccount,
    RulesetConflict,
    RulesetInUse,
)
from providers.lambdalabs.firewall_rule import FirewallRule, faults, is_owned, parsed, shown
from providers.lambdalabs.models import Rule, Ruleset
from providers.lambdalabs.rulesets import GLOBAL, Rulesets
from providers.runtime.declare import Context, Created, Fault, Found, Lifecycle, prop

WITHOUT = frozenset({"us-south-1"})
"""Regions where no firewall rule applies (OpenAPI 1.8.3, /firewall-rules)."""

IN_USE_SECONDS = 120.0
"""How long a deletion waits for terminating machines to release the ruleset."""


@dataclass(frozen=True)
class FirewallRulesetInputs:
    name: str = prop(doc="At most 64 characters. One of this name in the region is adopted.")
    region: str = prop(replace=True, doc="Machines of this region can have it.")
    rules: list[FirewallRule] = prop(
        default_factory=list,
        doc="What is let in, besides the rules of `FirewallRules`. Any other rule is removed.",
    )
    account_key: str = prop(
        default="",
        doc="Id of an SSH key of the account. If the account doesn't have it, the API key is of"
        " another account, and the ruleset doesn't count as gone.",
    )


@dataclass(frozen=True)
class FirewallRulesetOutputs:
    """Others need only its id."""


class FirewallRuleset(Lifecycle[FirewallRulesetInputs, FirewallRulesetOutputs]):
    """Creates a ruleset; adopts one that an interrupted run left."""

    token = "lambdalabs:index:FirewallRuleset"
    Inputs, Outputs = FirewallRulesetInputs, FirewallRulesetOutputs
    # Not read before each run: only people change it, and `pulumi refresh` finds that.
    refresh = False

    def __init__(self, account: Account) -> None:
        self._account = account
        self._client = account.client
        self._rulesets = Rulesets.of(account)

    @staticmethod
    def check(inputs: FirewallRulesetInputs) -> list[Fault]:
        found = []
        if not 1 <= len(inputs.name) <= 64:
            found.append(Fault("name", f"{len(inputs.name)} characters, expected 1 to 64"))
        if not inputs.region or inputs.region in WITHOUT:
            found.append(
                Fault("region", f"got {inputs.region!r}, expected a region that has rulesets")
            )
        return [*found, *faults("rules", inputs.rules)]

    async def create(
        self, context: Context, inputs: FirewallRulesetInputs
    ) -> Created[FirewallRulesetOutputs]:
        calls = self._account.calls(context)
        wanted = parsed(inputs.rules)
        while True:
            for ruleset in await calls(self._client.rulesets):
                if (ruleset.name, ruleset.region) == (inputs.name, inputs.region):
                    made = await self._adopted(calls, ruleset, wanted)
                    await self._warn(context, calls, inputs, wanted)
                    return Created(made.id, FirewallRulesetOutputs())
            try:
                self._rulesets.forget()
                made = await calls.once(
                    self._client.add_ruleset, inputs.name, inputs.region, wanted
                )
            except OUTCOME_UNKNOWN:
                if calls.left < calls.poll_seconds:
                    raise
                await calls.sleep(calls.poll_seconds)
            else:
                await self._warn(context, calls, inputs, wanted)
                return Created(made.id, FirewallRulesetOutputs())

    async def read(
        self,
        context: Context,
        id: str,
        inputs: FirewallRulesetInputs,
        outputs: FirewallRulesetOutputs,
    ) -> Found[FirewallRulesetInputs, FirewallRulesetOutputs] | None:
        calls = self._account.calls(context)
        try:
            ruleset = await self._rulesets.look(calls, id)
            if ruleset is None and not await self._account.owns(calls, inputs.account_key, {}):
                raise OtherAccount(
                    f"{inputs.name}: the account of this API key has neither firewall ruleset {id}"
                    " nor the stack's SSH key",
                    suggestion="Set LAMBDA_API_KEY to a key of the account that has them",
                )
        except UNSEEN as error:
            context.warn(NOT_LOOKED_AT.format(context.name, error))
            return Found(inputs, outputs)
        if ruleset is None:
            return None
        own = [rule for rule in ruleset.rules if not is_owned(rule)]
        rules = inputs.rules if _same(own, parsed(inputs.rules)) else [shown(rule) for rule in own]
        live = replace(inputs, name=ruleset.name, region=ruleset.region, rules=rules)
        return Found(live, outputs)

    async def update(
        self,
        context: Context,
        id: str,
        old: FirewallRulesetInputs,
        outputs: FirewallRulesetOutputs,
        new: FirewallRulesetInputs,
    ) -> FirewallRulesetOutputs:
        calls = self._account.calls(context)
        if old.name != new.name:
            await calls(self._client.change_ruleset, id, None, new.name)
            self._rulesets.forget()
        wanted = parsed(new.rules)
        await self._rulesets.change(
            calls, id, lambda rules: (*wanted, *(rule for rule in rules if is_owned(rule)))
        )
        await self._warn(context, calls, new, wanted)
        return outputs

    async def delete(
        self,
        context: Context,
        id: str,
        inputs: FirewallRulesetInputs,
        outputs: FirewallRulesetOutputs,
    ) -> None:
        calls = self._account.calls(context)
        give_up = calls.left - min(calls.left, IN_USE_SECONDS)
        while True:
            try:
                await calls(self._client.delete_ruleset, id)
                return
            except NotFound:
                return
            except RulesetInUse as error:
                users = await _users(calls, id)
                if calls.left - calls.poll_seconds < give_up:
                    raise RulesetInUse(
                        f"firewall ruleset {inputs.name!r} can't be deleted: {users} have it",
                        code=error.code,
                        status=error.status,
                        suggestion="Terminate these machines and run the command again",
                    ) from error
                context.progress(f"the ruleset is still in use by {users}")
                await calls.sleep(calls.poll_seconds)

    async def _adopted(self, calls: Calls, there: Ruleset, wanted: tuple[Rule, ...]) -> Ruleset:
        if _same([rule for rule in there.rules if not is_owned(rule)], wanted):
            return there
        if there.users:
            raise RulesetConflict(
                f"firewall ruleset {there.name!r}: another of that name is in {there.region}"
                f" ({there.id}), with other rules, and {len(there.users)} machines have it",
                suggestion="Give this one another name, or delete the other in Lambda Cloud",
            )
        return await calls(self._client.change_ruleset, there.id, wanted)

    async def _warn(
        self,
        context: Context,
        calls: Calls,
        inputs: FirewallRulesetInputs,
        wanted: tuple[Rule, ...],
    ) -> None:
        """The account's global rules apply as well: reports what they open beyond these."""
        everywhere = await calls(self._client.ruleset, GLOBAL)
        wider = [rule for rule in everywhere.rules if rule.protocol != "icmp"]
        wider = [rule for rule in wider if not any(_covers(own, rule) for own in wanted)]
        if wider:
            opened = ", ".join(
                f"{r.protocol} {r.ports[0]}-{r.ports[1]} from {r.source}" for r in wider if r.ports
            )
            context.warn(
                f"{inputs.name}: the account's global firewall rules open more than this ruleset:"
                f" {opened}; remove them in Lambda Cloud if nothing else needs them"
            )


def _covers(wide: Rule, narrow: Rule) -> bool:
    """Whether the wide rule lets in everything that the narrow one does. Pure."""
    if wide.ports is None or narrow.ports is None:
        return wide.protocol == narrow.protocol and narrow.source.subnet_of(wide.source)
    return (
        wide.protocol in (narrow.protocol, "all")
        and wide.ports[0] <= narrow.ports[0]
        and narrow.ports[1] <= wide.ports[1]
        and narrow.source.subnet_of(wide.source)
    )


def _same(some: list[Rule] | tuple[Rule, ...], others: list[Rule] | tuple[Rule, ...]) -> bool:
    """Whether they are the same rules; their order means nothing."""
    return sorted(map(repr, some)) == sorted(map(repr, others))


async def _users(calls: Calls, id: str) -> str:
    ids = (await calls(calls.client.ruleset, id)).users
    machines = {machine.id: machine for machine in await calls.machines()}
    named = [f"{m.name or m.id} ({m.status})" for m in map(machines.get, ids) if m is not None]
    return ", ".join(named) or "machines that are not listed"
