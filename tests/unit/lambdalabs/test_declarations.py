"""Rules that need no API: checks, marks, candidates, fingerprints, schema."""

from __future__ import annotations

import dataclasses
import json

import asyncssh
import pytest

from providers.lambdalabs.firewall_rule import FirewallRule
from providers.lambdalabs.firewall_rules import FirewallRules, FirewallRulesInputs
from providers.lambdalabs.firewall_ruleset import FirewallRuleset, FirewallRulesetInputs
from providers.lambdalabs.instance import Instance
from providers.lambdalabs.instance_ready import InstanceReady, InstanceReadyInputs
from providers.lambdalabs.instance_spec import (
    LAUNCH,
    MARK,
    InstanceInputs,
    InstanceOutputs,
    candidates,
    mark,
)
from providers.lambdalabs.models import Offer
from providers.lambdalabs.provider import LambdaLabs, LambdaLabsConfig
from providers.lambdalabs.ssh_key import SshKey, SshKeyInputs, fingerprint, material
from providers.runtime import codec
from providers.runtime.difference import difference
from providers.runtime.schema import schema_of

KEY = asyncssh.generate_private_key("ssh-ed25519", comment="someone")
PUBLIC = KEY.export_public_key().decode().strip()
GOOD = InstanceInputs(
    name="sophia-dev-node-1-a1b2",
    instance_types=["gpu_1x_a10"],
    regions=["us-east-1"],
    ssh_key_name="key",
    tags={"project": "sophia"},
)


def test_good_inputs_have_no_faults():
    assert Instance.check(GOOD) == []
    assert SshKey.check(SshKeyInputs("key", PUBLIC)) == []


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"name": "Node_1"}, "name"),
        ({"name": ""}, "name"),
        ({"name": "-a"}, "name"),
        ({"name": "a" * 64}, "name"),
        ({"instance_types": []}, "instanceTypes"),
        ({"regions": []}, "regions"),
        ({"regions": ["us-east-1", "us-east-1"]}, "regions"),
        ({"ssh_key_name": ""}, "sshKeyName"),
        ({"user_data": "é" * 500_001}, "userData"),
        ({"tags": {"Project": "x"}}, "tags.Project"),
        ({"tags": {"a" * 56: "x"}}, "tags." + "a" * 56),
        ({"tags": {"project": "x" * 129}}, "tags.project"),
        ({"tags": {MARK: "x"}}, "tags." + MARK),
        ({"tags": {LAUNCH: "x"}}, "tags." + LAUNCH),
    ],
)
def test_each_wrong_input_is_named(change, path):
    assert [fault.path for fault in Instance.check(dataclasses.replace(GOOD, **change))] == [path]


def test_all_faults_are_told_at_once():
    bad = dataclasses.replace(GOOD, name="", regions=[], ssh_key_name="")
    assert len(Instance.check(bad)) == 3


@pytest.mark.parametrize(
    "public", ["", "ssh-ed25519", "ssh-ed25519 AAAA", "ssh-rsa !!", "nonsense"]
)
def test_what_is_no_public_key_is_refused(public):
    assert [fault.path for fault in SshKey.check(SshKeyInputs("key", public))] == ["publicKey"]


def test_keys_are_compared_without_their_comments():
    bare = " ".join(PUBLIC.split()[:2])
    assert material(bare) == material(PUBLIC + " of mine\n")
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    assert material(other) != material(bare)


def test_the_fingerprint_is_the_one_ssh_keygen_shows():
    assert fingerprint(PUBLIC) == KEY.get_fingerprint()


def test_a_private_key_that_is_none_is_a_fault():
    faults = InstanceReady.check(InstanceReadyInputs("i-1", "", "nonsense", "nonsense"))
    assert sorted(fault.path for fault in faults) == ["hostKey", "privateKey", "user"]
    assert not any("nonsense" in fault.reason for fault in faults)


def test_the_mark_tells_launches_apart():
    same = mark(GOOD)
    preferences = {"instance_types": ["gpu_8x_h100_sxm5"], "regions": ["us-west-1"]}
    for change in ({"user_data": "x", "tags": {}, "ssh_key_name": "b"}, preferences):
        assert mark(dataclasses.replace(GOOD, **change)) == same
    for change in (
        {"name": "sophia-dev-node-2-a1b2"},
        {"image_family": "gpu-base-24-04"},
        {"generation": "2"},
    ):
        assert mark(dataclasses.replace(GOOD, **change)) != same


def offer(name: str, *regions: str) -> Offer:
    return Offer(name, name, 100, 1, 1, 1, 1, regions)


def test_candidates_are_types_in_order_each_with_its_regions_in_order():
    inputs = dataclasses.replace(GOOD, instance_types=["b", "x", "a"], regions=["2", "1"])
    offers = {"a": offer("a", "1", "2"), "b": offer("b", "1")}
    assert list(candidates(inputs, offers)) == [
        ("b", "2", "no capacity listed"),
        ("b", "1", None),
        ("x", "2", "no such type, expected one of a, b"),
        ("x", "1", "no such type, expected one of a, b"),
        ("a", "2", None),
        ("a", "1", None),
    ]


@pytest.mark.parametrize("status", ["unhealthy", "preempted"])
def test_a_broken_machine_is_stale(status):
    assert status in Instance.stale(GOOD, InstanceOutputs(status, "t", "r"))


@pytest.mark.parametrize("status", ["booting", "active", "terminated", ""])
def test_any_other_is_not(status):
    assert Instance.stale(GOOD, InstanceOutputs(status, "gpu_1x_a10", "us-east-1")) is None


@pytest.mark.parametrize(
    "wanted",
    [
        {"regions": ["us-east-1", "us-west-3"]},
        {"regions": ["us-west-3", "us-east-1"]},
        {"instance_types": ["gpu_8x_h100_sxm5", "gpu_1x_a10"]},
    ],
)
def test_another_launch_preference_leaves_a_machine_that_is_still_listed(wanted):
    live = InstanceOutputs("active", "gpu_1x_a10", "us-east-1")
    found = wire_difference(GOOD, live, dataclasses.replace(GOOD, **wanted))
    assert (found.replaces, found.stale, found.notice) == ([], None, None)


@pytest.mark.parametrize(
    ("wanted", "why"),
    [({"regions": ["us-west-3"]}, "us-east-1"), ({"instance_types": ["b"]}, "gpu_1x_a10")],
)
def test_a_machine_that_is_not_listed_any_more_is_replaced(wanted, why):
    live = InstanceOutputs("active", "gpu_1x_a10", "us-east-1")
    found = wire_difference(GOOD, live, dataclasses.replace(GOOD, **wanted))
    assert f"{why} is no longer listed" in found.stale
    # Also where something else is not known yet, as in a preview.
    new = codec.encode(dataclasses.replace(GOOD, **wanted)) | {"userData": codec.UNKNOWN}
    assert difference(Instance, codec.encode(GOOD), codec.encode(live), new).stale


def wire_difference(old, live, new):
    return difference(Instance, codec.encode(old), codec.encode(live), codec.encode(new))


def test_configuration_faults_are_told_at_once_and_never_show_the_key():
    config = LambdaLabsConfig("", "ftp://cloud.lambda.ai", 0, -1, 0)
    faults = LambdaLabs.check_config(config)
    paths = [fault.path for fault in faults]
    assert paths == ["apiKey", "apiUrl", "requestsPerSecond", "pollSeconds", "launchInterval"]
    assert LambdaLabs.check_config(LambdaLabsConfig("key")) == []


def test_the_schema_has_all_of_it_and_marks_secrets():
    schema = json.loads(json.dumps(schema_of(LambdaLabs())))
    assert sorted(schema["resources"]) == [
        "lambdalabs:index:FirewallRules",
        "lambdalabs:index:FirewallRuleset",
        "lambdalabs:index:Instance",
        "lambdalabs:index:InstanceName",
        "lambdalabs:index:InstanceReady",
        "lambdalabs:index:SshKey",
    ]
    assert list(schema["functions"]) == ["lambdalabs:index:getInstanceTypes"]
    ready = schema["resources"]["lambdalabs:index:InstanceReady"]
    assert ready["inputProperties"]["privateKey"]["secret"]
    assert schema["resources"]["lambdalabs:index:Instance"]["inputProperties"]["userData"]["secret"]


def test_what_a_machine_boots_with_replaces_it_as_little_as_its_key_does():
    """States of the first version have other user data, and a rotated key has another name."""
    new = dataclasses.replace(GOOD, user_data="#cloud-config\n# other", ssh_key_name="other")
    live = codec.encode(InstanceOutputs("active", GOOD.instance_types[0], GOOD.regions[0]))
    found = difference(Instance, codec.encode(GOOD), live, codec.encode(new))
    assert found.changed == ["sshKeyName", "userData"]
    assert (found.replaces, found.stale, found.refused) == ([], None, None)


def held(status="active", **changes):
    """The effect of a change of a machine that holds the volume."""
    old = dataclasses.replace(GOOD, volumes=["database-0a1b2c3d"])
    new = codec.encode(dataclasses.replace(old, **changes))
    live = InstanceOutputs(status, GOOD.instance_types[0], GOOD.regions[0])
    return difference(Instance, codec.encode(old), codec.encode(live), new)


@pytest.mark.parametrize(
    "change",
    [
        {"generation": "2"},
        {"image_family": "other"},
        {"name": "other"},
        {"regions": ["us-west-3"]},
        {"instance_types": ["gpu_8x_h100_sxm5"]},
        {"status": "unhealthy"},
        {"status": "preempted"},
        {"generation": "2", "volumes": []},
    ],
)
def test_a_machine_with_a_volume_is_not_replaced_unless_confirmed(change):
    assert "confirmDataLoss database-0a1b2c3d" in held(**change).refused
    assert held(**change, confirm_data_loss="database-0a1b2c3d").refused is None
    assert held(**change, confirm_data_loss="database-ffffffff").refused


def test_any_other_change_of_it_is_allowed():
    assert held(user_data="other", tags={"a1": "b"}).refused is None
    assert held(volumes=[]).refused is None


RULE = FirewallRule("tcp", "192.0.2.0/24", [22, 22], "ssh")


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"protocol": "esp"}, "protocol"),
        ({"port_range": []}, "portRange"),
        ({"port_range": [22]}, "portRange"),
        ({"port_range": [0, 22]}, "portRange"),
        ({"port_range": [23, 22]}, "portRange"),
        ({"port_range": [22, 65536]}, "portRange"),
        ({"protocol": "icmp"}, "portRange"),
        ({"source_network": ""}, "sourceNetwork"),
        ({"source_network": "2001:db8::/32"}, "sourceNetwork"),
        ({"source_network": "192.0.2.1/24"}, "sourceNetwork"),
        ({"description": "d" * 129}, "description"),
    ],
)
def test_each_wrong_rule_is_named(change, path):
    rules = [RULE, dataclasses.replace(RULE, **change)]
    for found in (
        FirewallRuleset.check(FirewallRulesetInputs("nodes", "us-east-1", rules)),
        FirewallRules.check(FirewallRulesInputs("id", rules)),
    ):
        assert [fault.path for fault in found] == [f"rules[1].{path}"]


def test_all_faults_of_a_ruleset_are_told_at_once():
    bad = FirewallRule("esp", "world", [0], "")
    found = FirewallRuleset.check(FirewallRulesetInputs("", "us-south-1", [bad, RULE]))
    assert [fault.path for fault in found] == [
        "name", "region", "rules[0].protocol", "rules[0].portRange", "rules[0].sourceNetwork",
    ]  # fmt: skip
    # A rule of `FirewallRules` needs room for its mark.
    long = dataclasses.replace(RULE, description="d" * 118)
    found = FirewallRules.check(FirewallRulesInputs("", [long]))
    assert [fault.path for fault in found] == ["rulesetId", "rules[0].description"]
    assert FirewallRules.check(
        FirewallRulesInputs("global", [FirewallRule("icmp", "192.0.2.1"), RULE])
    ) == []  # fmt: skip


def test_no_rule_has_the_world_as_its_source_by_default():
    schema = schema_of(LambdaLabs())["types"]["lambdalabs:index:FirewallRule"]
    assert "sourceNetwork" in schema["required"]


def test_other_rulesets_await_the_next_generation():
    live = InstanceOutputs("active", "gpu_1x_a10", "us-east-1")
    wanted = dataclasses.replace(GOOD, firewall_rulesets={"us-east-1": ["a"]})
    found = wire_difference(GOOD, live, wanted)
    assert (found.changed, found.replaces, found.stale) == (["firewallRulesets"], [], None)
    assert "keeps its user data, tags and firewall rulesets" in found.notice
