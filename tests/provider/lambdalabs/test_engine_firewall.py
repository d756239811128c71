"""Rulesets in the real Pulumi engine: who is let in while a machine is replaced."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from providers.lambdalabs.client import LambdaClient
from providers.lambdalabs.rulesets import GLOBAL
from simulator import cloud as simulator
from tests.support.checkout import ROOT
from tests.support.node_stack import Stack, stack_of

pytestmark = pytest.mark.slow

PROGRAM = f"""\
import json, os, sys
sys.path.insert(0, {str(ROOT)!r})
import pulumi
from providers.lambdalabs import resources as lambdalabs
wanted = json.loads(os.environ["WANTED"])
account = lambdalabs.Provider("account", api_url=os.environ["LAMBDA_API_URL"],
    api_key=os.environ["LAMBDA_API_KEY"], requests_per_second=100, launch_interval=0,
    poll_seconds=0.2)
through = pulumi.ResourceOptions(provider=account)
key = lambdalabs.SshKey("key", name="operator", public_key=wanted["public_key"], opts=through)
ruleset = lambdalabs.FirewallRuleset("ruleset", name="nodes", region="us-east-1",
    rules=[dict(protocol="tcp", port_range=[22, 22], source_network="0.0.0.0/0")],
    account_key=key.id, opts=through)
name = lambdalabs.InstanceName("name", name="node-" + wanted["generation"], opts=through)
machine = lambdalabs.Instance("machine", name=name.name, instance_types=["gpu_1x_a10"],
    regions=["us-east-1"], ssh_key_name=key.name, generation=wanted["generation"],
    account_key=key.id, tags=dict(project="nodes", stack="dev"),
    firewall_rulesets={{"us-east-1": [ruleset.id]}}, opts=through)
ready = lambdalabs.InstanceReady("ready", instance_id=machine.id, user="ubuntu",
    private_key=wanted["private_key"], host_key=wanted["host_key"], gpu_probe=False, opts=through)
def gossip(port):
    return [dict(protocol="tcp", port_range=[port, port], source_network=ready.private_address)]
rules = lambdalabs.FirewallRules("rules", ruleset_id=ruleset.id, rules=gossip(7946), opts=through)
# Stands for the machine's membership, which is made after it is let in.
lambdalabs.FirewallRules("member", ruleset_id="{GLOBAL}", rules=gossip(1),
    opts=pulumi.ResourceOptions(provider=account, depends_on=[rules]))
pulumi.export("machine", machine.id)
pulumi.export("private", ready.private_address)
pulumi.export("ruleset", ruleset.id)
"""


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with stack_of(tmp_path, PROGRAM) as stack:
        stack.wanted |= {"generation": "1"}
        try:
            stack.sshds.listen()
        except PermissionError:
            pytest.skip("port 22 of loopback addresses can't be listened on by this user")
        yield stack


def let_in(client: LambdaClient, ruleset: str) -> set[str]:
    """Private addresses that a ruleset lets in to Swarm's port."""
    rules = client.ruleset(ruleset).rules
    return {str(rule.source.network_address) for rule in rules if rule.ports == (7946, 7946)}


def test_a_replacement_is_let_in_before_it_joins_and_its_predecessor_until_it_has_left(
    stack: Stack,
) -> None:
    client = LambdaClient(stack.cloud.url, stack.cloud.api_key)
    before = client.ruleset(GLOBAL).rules
    stack.up()
    first = stack.outputs()
    assert client.ruleset(first["ruleset"]).users == (first["machine"],)
    assert let_in(client, first["ruleset"]) == {first["private"]}

    # The new one can't become a member, so the old one stays.
    stack.wanted["generation"] = "2"
    fault = {"operation": "updateGlobalFirewallRuleset", "effect": "error", "status": 400}
    stack.cloud.control("POST", "/faults", **fault, code="global/invalid-parameters")
    stack.up(ok=False)
    both = let_in(client, first["ruleset"])
    assert len(both) == 2
    assert first["private"] in both
    assert len(stack.rented()) == 2

    log = simulator.log_file(stack.cloud.folder)
    told = len(log.read_text())
    stack.up()
    second = stack.outputs()
    assert let_in(client, second["ruleset"]) == both - {first["private"]} == {second["private"]}
    assert stack.rented() == [second["machine"]]
    changes = re.findall(r"(?:PATCH|POST) \S+/(\S+) 200", log.read_text()[told:])
    assert changes == [GLOBAL, GLOBAL, first["ruleset"], "terminate"]

    stack.up("--expect-no-changes")
    stack("refresh", "--yes", "--skip-preview", "--expect-no-changes")
    stack("destroy", "--yes", "--skip-preview")
    assert (stack.rented(), client.rulesets()) == ([], [])
    assert client.ruleset(GLOBAL).rules == before


def test_what_is_opened_or_closed_by_hand_is_set_right_after_a_refresh(stack: Stack) -> None:
    stack.up()
    client = LambdaClient(stack.cloud.url, stack.cloud.api_key)
    ruleset = stack.outputs()["ruleset"]
    right = client.ruleset(ruleset).rules
    client.change_ruleset(ruleset, [rule for rule in right if rule.ports == (22, 22)] * 2)
    stack("refresh", "--yes", "--skip-preview")
    preview = stack("preview", "--diff")
    assert "rules were removed or changed" in preview, preview
    stack.up()
    assert set(client.ruleset(ruleset).rules) == set(right)
    assert len(client.ruleset(ruleset).rules) == len(right)
    stack.up("--expect-no-changes")
    stack.calls()
    stack("preview", "--expect-no-changes")
    assert stack.calls() == {"listInstances": 1}
