"""The account's firewall: rules for all of its instances, and rulesets that a launch can name.

Inbound only, and only traffic that a rule allows. The global rules and those of an instance's
rulesets add up. There is none in us-south-1.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from simulator import exceptions
from simulator.records import FirewallRule, FirewallRuleset, Instance
from simulator.store import Store

WITHOUT = frozenset({"us-south-1"})
"""Regions that have no firewall (API document, firewall-rules)."""


class Firewalls:
    """Rules and rulesets. changed: called with the instances whose rules have changed."""

    def __init__(self, store: Store, changed: Callable[[list[Instance]], None]) -> None:
        self._store = store
        self._changed = changed

    def all(self) -> list[FirewallRuleset]:
        with self._store.lock:
            return list(self._store.state.rulesets)

    def get(self, ruleset_id: str) -> FirewallRuleset:
        for ruleset in self.all():
            if ruleset.id == ruleset_id:
                return ruleset
        raise exceptions.ruleset_not_found()

    def create(self, name: str, region: str, rules: list[FirewallRule]) -> FirewallRuleset:
        """Names may repeat: the document has no error for that."""
        if region in WITHOUT:
            raise exceptions.invalid_parameters(f"region: {region} has no firewall rulesets.")
        created = datetime.now(UTC).isoformat()
        made = FirewallRuleset(uuid.uuid4().hex, name, region, rules, created)
        with self._store.change() as state:
            state.rulesets.append(made)
        return made

    def update(
        self, ruleset_id: str, name: str | None, rules: list[FirewallRule] | None
    ) -> FirewallRuleset:
        """Change what is given; rules are replaced as a whole list."""
        with self._store.change():
            ruleset = self.get(ruleset_id)
            ruleset.name = ruleset.name if name is None else name
            ruleset.rules = ruleset.rules if rules is None else rules
        if rules is not None:
            self._changed(self.users(ruleset_id))
        return ruleset

    def delete(self, ruleset_id: str) -> None:
        with self._store.change() as state:
            ruleset = self.get(ruleset_id)
            if self.users(ruleset_id):
                raise exceptions.ruleset_in_use()
            state.rulesets.remove(ruleset)

    def users(self, ruleset_id: str) -> list[Instance]:
        """The instances that have the ruleset."""
        return [one for one in self._store.present() if ruleset_id in one.firewall_rulesets]

    def global_rules(self) -> list[FirewallRule]:
        with self._store.lock:
            return list(self._store.state.global_rules)

    def set_global_rules(self, rules: list[FirewallRule]) -> None:
        with self._store.change() as state:
            state.global_rules = rules
        self._changed(self._store.present())

    def check(self, ruleset_ids: Iterable[str], region: str) -> list[str]:
        """The rulesets of a launch, each once. Raises ApiError if one can't be used there."""
        wanted = list(dict.fromkeys(ruleset_ids))
        for ruleset_id in wanted:
            if region in WITHOUT:
                raise exceptions.invalid_parameters(
                    f"firewall_rulesets: {region} has no firewall rulesets."
                )
            found = self.get(ruleset_id)
            if found.region != region:
                raise exceptions.invalid_parameters(
                    f"firewall_rulesets: {ruleset_id} is in {found.region}, the instance is to be "
                    f"in {region}."
                )
        return wanted

    def rules_for(self, instance: Instance) -> list[FirewallRule] | None:
        """The rules that let traffic in to an instance; None if everything is let in."""
        if instance.region in WITHOUT or not instance.private_ip:
            return None
        rules = self.global_rules()
        for ruleset_id in instance.firewall_rulesets:
            rules += self.get(ruleset_id).rules
        return rules
