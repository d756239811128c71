"""Rulesets and their rules against the simulated cloud, as an engine would run them."""

from __future__ import annotations

import asyncio
import dataclasses
import ipaddress

import pytest

from providers.lambdalabs import errors, firewall_ruleset
from providers.lambdalabs.account import Account
from providers.lambdalabs.client import LambdaClient
from providers.lambdalabs.firewall_rule import FirewallRule
from providers.lambdalabs.firewall_rules import FirewallRules, FirewallRulesInputs
from providers.lambdalabs.firewall_ruleset import FirewallRuleset, FirewallRulesetInputs
from providers.lambdalabs.instance import Instance
from providers.lambdalabs.instance_spec import InstanceInputs
from providers.lambdalabs.models import Rule
from providers.lambdalabs.pacer import Pacer
from providers.lambdalabs.rulesets import GLOBAL
from providers.runtime import codec
from providers.runtime.difference import difference

SSH = FirewallRule("tcp", "0.0.0.0/0", [22, 22], "ssh")
INPUTS = FirewallRulesetInputs("sophia-dev-nodes", "us-east-1", [SSH])


def node(number: int, *ports: int) -> list[FirewallRule]:
    return [
        FirewallRule("tcp", f"192.0.2.{number}", [port, port], f"node {number}") for port in ports
    ]


@pytest.fixture
def context(told):
    return told.context(FirewallRuleset.token, "nodes")


@pytest.fixture
async def ruleset(account, context):
    return (await FirewallRuleset(account).create(context, INPUTS)).id


@pytest.fixture
def part(told):
    """The context of one `FirewallRules` by its name."""
    return lambda name: told.context(FirewallRules.token, name)


def opened(account, id) -> list[tuple[str, int]]:
    """Who may reach which port by a ruleset, ssh left out."""
    rules = account.client.ruleset(id).rules
    ports = [(str(rule.source), rule.ports[0]) for rule in rules]
    return sorted(one for one in ports if one[1] != 22)


def refused_account(cloud) -> Account:
    client = LambdaClient(cloud.url, "of yesterday")
    return Account(client, Pacer(1000.0, 0.0), patience=1.0, poll_seconds=0.02)


async def test_a_ruleset_is_made_read_changed_and_deleted(account, context):
    rulesets = FirewallRuleset(account)
    made = await rulesets.create(context, INPUTS)
    live = account.client.ruleset(made.id)
    assert (live.name, live.region) == (INPUTS.name, INPUTS.region)
    assert (await rulesets.read(context, made.id, INPUTS, made.outputs)).inputs == INPUTS
    other = FirewallRulesetInputs("other", "us-east-1", [])
    await rulesets.update(context, made.id, INPUTS, made.outputs, other)
    live = account.client.ruleset(made.id)
    assert (live.name, live.rules) == ("other", ())
    await rulesets.delete(context, made.id, other, made.outputs)
    assert account.client.rulesets() == []
    assert await rulesets.read(context, made.id, other, made.outputs) is None
    await rulesets.delete(context, made.id, other, made.outputs)


@pytest.mark.parametrize("effect", ["lost-answer", "lost-request"])
async def test_a_creation_without_an_answer_is_not_made_twice(account, cloud, context, effect):
    cloud.control("POST", "/faults", operation="createFirewallRuleset", effect=effect)
    made = await FirewallRuleset(account).create(context, INPUTS)
    assert [one.id for one in account.client.rulesets()] == [made.id]


async def test_what_an_interrupted_run_left_is_adopted(account, context):
    left = account.client.add_ruleset(INPUTS.name, INPUTS.region, [])
    account.client.add_ruleset(INPUTS.name, "us-west-1", [])
    made = await FirewallRuleset(account).create(context, INPUTS)
    assert made.id == left.id
    assert [rule.ports for rule in account.client.ruleset(made.id).rules] == [(22, 22)]
    assert len(account.client.rulesets()) == 2


async def test_one_in_service_that_the_state_has_lost_is_adopted(
    account, context, part, told, ruleset
):
    await machine(account, told, ruleset)
    await FirewallRules(account).create(part("one"), FirewallRulesInputs(ruleset, node(1, 2377)))
    assert (await FirewallRuleset(account).create(context, INPUTS)).id == ruleset
    assert opened(account, ruleset) == [("192.0.2.1/32", 2377)]


async def test_another_accounts_key_forgets_no_ruleset(account, context):
    inputs = dataclasses.replace(INPUTS, account_key="of the right account")
    outputs = firewall_ruleset.FirewallRulesetOutputs()
    with pytest.raises(errors.OtherAccount, match=r"neither firewall ruleset .* nor the stack's"):
        await FirewallRuleset(account).read(context, "an id", inputs, outputs)
    key = account.client.add_ssh_key("key", "ssh-ed25519 AAAA me")
    inputs = dataclasses.replace(INPUTS, account_key=key.id)
    assert await FirewallRuleset(account).read(context, "an id", inputs, outputs) is None


def machine(account, told, *rulesets: str):
    inputs = InstanceInputs(
        "node-1", ["gpu_1x_a10"], ["us-east-1"], "key", firewall_rulesets={"us-east-1": [*rulesets]}
    )
    account.client.add_ssh_key("key", "ssh-ed25519 AAAA me")
    return Instance(account).create(told.context(Instance.token), inputs)


async def test_a_ruleset_of_other_machines_is_not_adopted(account, context, told):
    theirs = account.client.add_ruleset(INPUTS.name, INPUTS.region, [])
    await machine(account, told, theirs.id)
    with pytest.raises(errors.RulesetConflict, match=r"1 machines have it.*another name"):
        await FirewallRuleset(account).create(context, INPUTS)
    assert account.client.ruleset(theirs.id).rules == ()


async def test_a_machine_gets_the_rulesets_of_its_region(account, cloud, told, ruleset):
    made = await machine(account, told, ruleset)
    assert account.client.ruleset(ruleset).users == (made.id,)


async def test_a_deletion_waits_for_machines_that_go_and_names_those_that_stay(
    account, context, told, ruleset, monkeypatch
):
    made = await machine(account, told, ruleset)
    rulesets = FirewallRuleset(account)
    outputs = firewall_ruleset.FirewallRulesetOutputs()
    with monkeypatch.context() as quick:
        quick.setattr(firewall_ruleset, "IN_USE_SECONDS", 0.1)
        with pytest.raises(errors.RulesetInUse, match=r"node-1 \((booting|active)\) have it"):
            await rulesets.delete(context, ruleset, INPUTS, outputs)
    work = asyncio.create_task(rulesets.delete(context, ruleset, INPUTS, outputs))
    account.client.terminate(made.id)
    await work
    assert account.client.rulesets() == []


async def test_what_someone_opened_by_hand_is_closed(account, context, ruleset):
    rulesets = FirewallRuleset(account)
    outputs = firewall_ruleset.FirewallRulesetOutputs()
    live = account.client.ruleset(ruleset)
    hole = Rule("tcp", (1, 65535), ipaddress.IPv4Network("0.0.0.0/0"), "just for a moment")
    account.client.change_ruleset(ruleset, [*live.rules, hole])
    seen = await rulesets.read(context, ruleset, INPUTS, outputs)
    wire = [codec.encode(one) for one in (seen.inputs, outputs, INPUTS)]
    assert difference(FirewallRuleset, *wire).changed == ["rules"]
    await rulesets.update(context, ruleset, seen.inputs, outputs, INPUTS)
    assert account.client.ruleset(ruleset).rules == live.rules


@pytest.mark.parametrize("kind", ["ruleset", "rules"])
async def test_with_a_refused_key_the_recorded_state_is_believed(
    account, cloud, told, context, part, ruleset, kind
):
    stranger = refused_account(cloud)
    if kind == "ruleset":
        outputs = firewall_ruleset.FirewallRulesetOutputs()
        found = await FirewallRuleset(stranger).read(context, ruleset, INPUTS, outputs)
        assert found.inputs == INPUTS
    else:
        inputs = FirewallRulesInputs(ruleset, node(1, 2377))
        made = await FirewallRules(account).create(part("one"), inputs)
        found = await FirewallRules(stranger).read(part("one"), made.id, inputs, made.outputs)
        assert found.outputs.complete
    assert "not checked" in told.warnings[-1]


async def test_global_rules_that_open_more_are_told(account, context, told):
    narrow = FirewallRulesetInputs("narrow", "us-east-1", node(1, 22))
    await FirewallRuleset(account).create(context, narrow)
    [warning] = told.warnings
    assert "tcp 22-22 from 0.0.0.0/0" in warning
    await FirewallRuleset(account).create(context, INPUTS)
    assert told.warnings == [warning]


async def test_rules_come_beside_those_of_others_and_go_alone(account, part, ruleset):
    rules = FirewallRules(account)
    first = FirewallRulesInputs(ruleset, node(1, 2377, 7946))
    second = FirewallRulesInputs(ruleset, node(2, 2377))
    made = await rules.create(part("one"), first)
    await rules.create(part("two"), second)
    assert opened(account, ruleset) == [
        ("192.0.2.1/32", 2377), ("192.0.2.1/32", 7946), ("192.0.2.2/32", 2377),
    ]  # fmt: skip
    assert (await rules.read(part("one"), made.id, first, made.outputs)).outputs.complete
    await rules.delete(part("one"), made.id, first, made.outputs)
    assert opened(account, ruleset) == [("192.0.2.2/32", 2377)]
    assert len(account.client.ruleset(ruleset).rules) == 2


async def test_a_change_lets_the_new_in_before_the_old_goes(account, part, ruleset):
    """As the engine replaces: create, and delete at the end, here of rules that overlap."""
    rules = FirewallRules(account)
    old = FirewallRulesInputs(ruleset, node(1, 2377, 7946))
    new = FirewallRulesInputs(ruleset, node(1, 7946, 4789))
    wire = [codec.encode(one) for one in (old, (await rules.create(part("one"), old)).outputs, new)]
    assert difference(FirewallRules, *wire).replaces == ["rules"]
    [before] = {rule.description for rule in account.client.ruleset(ruleset).rules} - {"ssh"}
    made = await rules.create(part("one"), new)
    assert {port for _, port in opened(account, ruleset)} == {2377, 7946, 4789}
    await rules.delete(part("one"), f"{ruleset}{before[-11:]}", old, made.outputs)
    assert {port for _, port in opened(account, ruleset)} == {7946, 4789}


async def test_a_repeated_creation_adds_nothing(account, part, ruleset):
    rules = FirewallRules(account)
    inputs = FirewallRulesInputs(ruleset, node(1, 2377))
    made = [await rules.create(part("one"), inputs) for _ in range(2)]
    assert made[0] == made[1]
    assert opened(account, ruleset) == [("192.0.2.1/32", 2377)]


async def test_rules_that_were_taken_out_come_back(account, part, ruleset):
    rules = FirewallRules(account)
    inputs = FirewallRulesInputs(ruleset, node(1, 2377, 7946))
    made = await rules.create(part("one"), inputs)
    account.client.change_ruleset(ruleset, account.client.ruleset(ruleset).rules[:-1])
    seen = await rules.read(part("one"), made.id, inputs, made.outputs)
    assert FirewallRules.drifted(seen.inputs, seen.outputs)
    again = await rules.update(part("one"), made.id, inputs, seen.outputs, inputs)
    assert FirewallRules.drifted(inputs, again) is None
    assert len(opened(account, ruleset)) == 2


async def test_rules_of_a_ruleset_that_is_gone_are_gone(account, part, ruleset):
    rules = FirewallRules(account)
    inputs = FirewallRulesInputs(ruleset, node(1, 2377))
    made = await rules.create(part("one"), inputs)
    account.client.delete_ruleset(ruleset)
    assert await rules.read(part("one"), made.id, inputs, made.outputs) is None
    await rules.delete(part("one"), made.id, inputs, made.outputs)
    with pytest.raises(errors.NotFound):
        await rules.create(part("one"), inputs)


async def test_the_accounts_own_rules_are_kept_beside_ours(account, part):
    before = account.client.ruleset(GLOBAL).rules
    rules = FirewallRules(account)
    inputs = FirewallRulesInputs(GLOBAL, node(1, 2377))
    made = await rules.create(part("one"), inputs)
    assert opened(account, GLOBAL) == [("192.0.2.1/32", 2377)]
    assert (await rules.read(part("one"), made.id, inputs, made.outputs)).outputs.complete
    await rules.delete(part("one"), made.id, inputs, made.outputs)
    assert account.client.ruleset(GLOBAL).rules == before


async def test_changes_and_looks_at_once_lose_nothing_and_share_requests(
    account, cloud, part, ruleset
):
    rules = FirewallRules(Account(account.client, account.pacer, max_age=60.0))
    wanted = {f"r{n}": FirewallRulesInputs(ruleset, node(n, 7946)) for n in range(1, 21)}
    made = await asyncio.gather(*(rules.create(part(name), one) for name, one in wanted.items()))
    assert len(opened(account, ruleset)) == 20
    assert cloud.control("GET", "/calls")["updateFirewallRuleset"] <= 3
    cloud.control("DELETE", "/calls")
    seen = await asyncio.gather(
        *(
            rules.read(part(name), one.id, wanted[name], one.outputs)
            for name, one in zip(wanted, made, strict=True)
        )
    )
    assert all(one.outputs.complete for one in seen)
    assert cloud.control("GET", "/calls") == {"firewallRulesetsList": 1}


async def test_a_refused_change_is_told_to_everyone_who_waits_for_it(account, cloud, part, ruleset):
    cloud.control(
        "POST", "/faults", operation="updateFirewallRuleset", effect="error", status=400,
        code="global/invalid-parameters", message="private sources are not taken", times=9,
    )  # fmt: skip
    rules = FirewallRules(account)
    wanted = [FirewallRulesInputs(ruleset, node(n, 7946)) for n in (1, 2, 3)]
    done = await asyncio.gather(
        *(rules.create(part(f"r{n}"), one) for n, one in enumerate(wanted)), return_exceptions=True
    )
    assert [type(one) for one in done] == [errors.InvalidParameters] * 3
    assert opened(account, ruleset) == []
