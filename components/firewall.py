"""The machines' firewall: rulesets before there are machines, then rules that admit each one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pulumi

from components.handles import NodeHandle
from components.plan import firewall as plan
from components.plan.nodes import NodePlan
from providers.lambdalabs import resources as lambdalabs


@dataclass(frozen=True)
class FirewallArgs:
    """machines: all that may be launched. account_key: id of an SSH key of the account.
    encrypted: whether overlay networks are encrypted.
    """

    prefix: str
    machines: Sequence[NodePlan]
    sources: plan.Sources
    gateway_port: int
    encrypted: bool
    account_key: pulumi.Input[str]


class Firewall(pulumi.ComponentResource):
    """A ruleset for each kind of machine in each region where one may be launched.

    Pass the account's provider by `ResourceOptions(providers=[…])`. Call `rulesets_of` before a
    launch, and `admitted` once the machine has addresses.
    """

    def __init__(
        self, name: str, args: FirewallArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("sophia:index:Firewall", name, None, opts)
        self._name = name
        self._encrypted = args.encrypted
        self._child = pulumi.ResourceOptions(parent=self)
        planned = plan.rulesets(args.prefix, args.machines, args.sources, args.gateway_port)
        self._rulesets = [
            (
                one,
                lambdalabs.FirewallRuleset(
                    f"{name}-{one.name}",
                    name=one.physical_name,
                    region=one.region,
                    rules=list(one.rules),
                    account_key=args.account_key,
                    opts=self._child,
                ),
            )
            for one in planned
        ]
        self.register_outputs({})

    def rulesets_of(self, machine: NodePlan) -> Mapping[str, Sequence[pulumi.Input[str]]]:
        """By region, the ids of the rulesets for a machine that is launched there."""
        found: dict[str, list[pulumi.Input[str]]] = {}
        for one, ruleset in self._rulesets:
            if one.kind in plan.kinds(machine.role) and one.region in machine.regions:
                found.setdefault(one.region, []).append(ruleset.id)
        return found

    def admitted(self, machine: NodeHandle) -> NodeHandle:
        """Lets the machine in on all others. Each machine has its own rules, so a new machine
        of the same name is let in before it joins, and the old one until it has left."""

        def rules(kind: str) -> pulumi.Output[list[plan.Rule]]:
            addresses = pulumi.Output.all(machine.address, machine.private_address)
            return addresses.apply(
                lambda known: list(plan.from_machine(kind, machine.name, known, self._encrypted))
            )

        made = [
            lambdalabs.FirewallRules(
                f"{self._name}-{one.name}-{machine.name}",
                ruleset_id=ruleset.id,
                rules=rules(one.kind),
                opts=self._child,
            )
            for one, ruleset in self._rulesets
            if plan.from_machine(one.kind, machine.name, ("",), self._encrypted)
        ]
        return replace(machine, admitted=tuple(made))
