"""Configuration as a plain mapping: what is accepted, and every fault at once."""

import copy
import json
from dataclasses import replace

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from components.catalog import loader
from components.plan import firewall as plan
from components.plan import nodes, workloads
from components.plan.gateway import Caller
from components.reading import Fault
from components.settings_model import Rotation, SettingsError
from components.settings_rules import read
from providers.swarm.services.model import Placement
from tests.support.catalog import whole
from tests.support.certificates import issue
from tests.unit.components.samples import CATALOG, GOOD, changed, check

SOURCES = plan.Sources(("0.0.0.0/0",), ("0.0.0.0/0",))
OWN_IMAGE = f"ghcr.io/team/backend@sha256:{64 * '1'}"


def groups(*changes):
    """The good groups with one mapping of changes each; None removes a key."""
    result = copy.deepcopy(GOOD["nodeGroups"])
    for group, change in zip(result, changes, strict=False):
        group.update(change)
    return result


def test_the_rules_of_services_are_told_when_nothing_else_is_wrong(monkeypatch):
    whole = workloads.planned

    def misspelt(settings):
        return [replace(one, placement=Placement(["node.lable == x"])) for one in whole(settings)]

    monkeypatch.setattr(workloads, "planned", misspelt)
    _, faults = check(GOOD | {"servers": ["lambda_labs_cli"]})
    assert [fault.split(": ")[:2] for fault in faults] == [
        ["workload database", "placement.constraints[0]"],
        ["workload lambda_labs_cli", "placement.constraints[0]"],
        ["workload backend", "placement.constraints[0]"],
        ["workload gateway-config", "placement.constraints[0]"],
        ["workload gateway", "placement.constraints[0]"],
    ]


def test_good_values_become_settings():
    settings, faults = check(GOOD)
    assert faults == []
    assert settings.prefix == "sophia-dev"
    assert [group.count for group in settings.node_groups] == [3, 1]
    assert (settings.volumes, settings.confirm_data_loss) == ({}, "")
    assert settings.recover_on == ""
    assert settings.prices["gpu_1x_a10"] == 75
    assert settings.lambda_api_key.reveal() == "key-that-nobody-may-see"
    assert settings.lambda_api_url == "https://cloud.lambda.ai/api/v1"
    assert {server.name for server in settings.servers} >= {"ai_memory", "lambda_labs_cli"}


def test_the_firewall_lets_the_world_in_to_ssh_and_gateway_unless_settings_say():
    settings, _ = check(GOOD)
    world = ("0.0.0.0/0",)
    assert (settings.firewall.ssh_sources, settings.firewall.gateway_sources) == (world, world)
    given = {"sshSources": ["192.0.2.0/24", "198.51.100.7"], "gatewaySources": ["192.0.2.0/24"]}
    settings, faults = check(changed(firewall=given))
    assert faults == []
    assert settings.firewall.ssh_sources == ("192.0.2.0/24", "198.51.100.7")
    assert settings.firewall.gateway_sources == ("192.0.2.0/24",)


def test_a_backend_of_ones_own_takes_the_place_of_the_platforms():
    own = {
        "image": OWN_IMAGE,
        "health": ["/app/health"],
        "env": {"N": 2},
        "secrets": {"TOKEN": "pw"},
    }
    settings, faults = check(changed(backend=own))
    assert faults == []
    planned = workloads.planned(settings)
    [backend] = (one for one in planned if one.name == workloads.BACKEND)
    assert settings.backend.image == OWN_IMAGE
    assert backend.health.test == ["CMD", "/app/health"]
    assert backend.env["N"] == "2"
    assert [file.target for file in backend.secrets] == ["TOKEN"]
    assert json.loads(backend.env["SOPHIA_SERVERS"])["ai_memory"] == (
        "tasks.sophia-dev-ai_memory:8000"
    )


def test_a_region_without_a_firewall_can_be_accepted():
    there = changed(
        nodeGroups=groups({"regions": ["us-south-1"]}),
        firewall={"unprotectedRegions": ["us-south-1"]},
    )
    assert check(there)[1] == []


def test_a_stack_name_that_leaves_no_room_for_a_rulesets():
    there = changed(nodeGroups=groups({"regions": ["asia-northeast-1"]}))
    settings, faults = check(there, stack="a" * 31)
    assert faults == []
    named = plan.rulesets(settings.prefix, nodes.nodes(settings.node_groups), SOURCES, 8443)
    assert max(len(one.physical_name) for one in named) == 63
    _, faults = check(there, stack="a" * 32)
    [fault] = faults
    assert "manager-asia-northeast-1', 64 characters, expected 63 characters at most" in fault


def test_rotation_takes_tokens():
    settings, faults = check(changed(rotate={"loginKey": 2, "joinTokens": "b"}))
    assert faults == []
    assert settings.rotation == Rotation("2", "b")
    assert check(GOOD)[0].rotation == Rotation("", "")
    _, faults = check(changed(rotate={"hostKey": 2}))
    assert faults[0].startswith("sophia:rotate.hostKey: got an unknown key")


def test_images_are_refreshed_by_a_word():
    assert check(GOOD)[0].refresh_images == ""
    for word, taken in (("2026-11-27", "2026-11-27"), (2, "2")):
        settings, faults = check(changed(images={"refresh": word}))
        assert (settings.refresh_images, faults) == (taken, [])
    _, [fault] = check(changed(images={"refresh": "1; rm -rf /"}))
    assert fault.startswith("sophia:images.refresh: got '1; rm -rf /', expected a word such as")


def test_recovery_goes_on_one_of_the_managers():
    settings, faults = check(changed(recover={"on": "manager-2"}))
    assert faults == []
    assert settings.recover_on == "manager-2"


BAD = {
    "recovery on a worker": (
        changed(recover={"on": "worker-1"}),
        "sophia:recover.on: got 'worker-1', expected a manager: one of manager-1, manager-2, "
        "manager-3",
        "",
    ),
    "unknown instance type": (
        changed(nodeGroups=groups({}, {"instanceTypes": ["gpu_1x_a11"]})),
        "sophia:nodeGroups[1].instanceTypes[0]: got 'gpu_1x_a11', expected one of",
        "did you mean 'gpu_1x_a10'?",
    ),
    "bad region": (
        changed(nodeGroups=groups({"regions": ["us-east-9"]})),
        "sophia:nodeGroups[0].regions[0]: got 'us-east-9', expected one of",
        "did you mean 'us-east-",
    ),
    "zero managers": (
        changed(nodeGroups=groups({"count": 0}, {"tier": "primary"})),
        "sophia:nodeGroups: got 0 managers, expected an odd number of managers, 7 at most",
        "count of 1 or 3",
    ),
    "two managers": (
        changed(nodeGroups=groups({"count": 2})),
        "sophia:nodeGroups: got 2 managers, expected an odd number",
        "tolerate the loss of only 0",
    ),
    "nine managers": (
        changed(nodeGroups=groups({"count": 9})),
        "sophia:nodeGroups: got 9 managers, expected an odd number of managers, 7 at most",
        "workers",
    ),
    "unknown key at the top": (
        changed(nodeGroup=[]),
        "sophia:nodeGroup: got an unknown key, expected one of",
        "did you mean 'nodeGroups'?",
    ),
    "unknown key below": (
        changed(nodeGroups=groups({"cuont": 3})),
        "sophia:nodeGroups[0].cuont: got an unknown key, expected one of",
        "did you mean 'count'?",
    ),
    "missing key": (
        {key: value for key, value in GOOD.items() if key != "lambdaApiKey"},
        "sophia:lambdaApiKey: got nothing, expected a text",
        "pulumi config set --secret sophia:lambdaApiKey",
    ),
    "no groups": (changed(nodeGroups=[]), "sophia:nodeGroups: got nothing", "at least one entry"),
    "wrong type": (
        changed(nodeGroups=groups({"count": "three"})),
        "sophia:nodeGroups[0].count: got 'three', expected a whole number from 0 to 99",
        "",
    ),
    "duplicate group names": (
        changed(nodeGroups=groups({}, {"name": "manager"})),
        "sophia:nodeGroups[1].name: got 'manager', expected a name that no other group has",
        "manager-1",
    ),
    "unknown tier": (
        changed(nodeGroups=groups({"tier": "primry"})),
        "sophia:nodeGroups[0].tier: got 'primry', expected one of primary, secondary",
        "did you mean 'primary'?",
    ),
    "unknown role": (
        changed(nodeGroups=groups({"role": "master"})),
        "sophia:nodeGroups[0].role: got 'master', expected one of manager, worker",
        "",
    ),
    "no primary node": (
        changed(nodeGroups=groups({"tier": "secondary"})),
        "sophia:nodeGroups: got no machine on tier primary, expected a group on tier primary",
        "ai_memory",
    ),
    "overlapping pools": (
        changed(overlay={"addressPools": ["10.200.0.0/16", "10.200.8.0/21"], "subnetSize": 24}),
        "sophia:overlay.addressPools[1]: got '10.200.8.0/21', expected addresses that don't overlap"
        " 10.200.0.0/16",
        "",
    ),
    "pool over Docker's bridge": (
        changed(overlay={"addressPools": ["172.16.0.0/12"]}),
        "sophia:overlay.addressPools[0]: got '172.16.0.0/12', expected addresses that don't overlap"
        " 172.17.0.0/16",
        "Docker's own bridge",
    ),
    "bad CIDR": (
        changed(overlay={"addressPools": ["10.200.0.1/16"]}),
        "sophia:overlay.addressPools[0]: got '10.200.0.1/16', expected an IPv4 network",
        "host bits",
    ),
    "pool smaller than a subnet": (
        changed(overlay={"addressPools": ["10.200.0.0/25"], "subnetSize": 24}),
        "sophia:overlay.addressPools[0]: got '10.200.0.0/25', expected a network of /24 or larger",
        "",
    ),
    "managers over two regions": (
        changed(nodeGroups=groups({"regions": ["us-east-1", "moon-1"]})),
        "sophia:nodeGroups: got managers in any of us-east-1, moon-1, expected one region for all",
        "keep one of them in `regions` of manager",
    ),
    "arm64 type": (
        changed(nodeGroups=groups({}, {"instanceTypes": ["gpu_1x_gh200"]})),
        "sophia:nodeGroups[1].instanceTypes[0]: got 'gpu_1x_gh200', expected a type with x86_64",
        "",
    ),
    "public pool": (
        changed(overlay={"addressPools": ["198.51.100.0/24"], "subnetSize": 27}),
        "sophia:overlay.addressPools[0]: got '198.51.100.0/24', expected a part of 10.0.0.0/8",
        "private",
    ),
    "pool with room for one network": (
        changed(overlay={"addressPools": ["10.200.0.0/24"], "subnetSize": 24}),
        "sophia:overlay.addressPools: got room for 1 network of /24, expected room for 3",
        "larger pool",
    ),
    "networks too small for the platform": (
        changed(overlay={"subnetSize": 29}),
        "sophia:overlay.subnetSize: got 29, expected 27 or less: this platform holds up to 22",
        "",
    ),
    "tiny packets": (
        changed(overlay={"mtu": 1}),
        "sophia:overlay.mtu: got 1, expected 0 (Docker's own choice) or 576 to 9000",
        "",
    ),
    "gateway port out of range": (
        changed(gateway={"port": 70000}),
        "sophia:gateway.port: got 70000, expected a whole number from 1 to 65535",
        "",
    ),
    "gateway port taken": (
        changed(gateway={"port": 2377}),
        "sophia:gateway.port: got 2377, expected another port: this is Swarm's managers's",
        "",
    ),
    "gateway port of the first version": (
        changed(gatewayPort=443),
        "sophia:gatewayPort: got 443, expected the key gateway.port instead",
        "run `pulumi config set --path 'sophia:gateway.port' 443`",
    ),
    "node of the database of the first version": (
        changed(databaseNode="manager-2"),
        "sophia:databaseNode: got 'manager-2', expected the key volumes.database instead",
        "run `pulumi config set --path 'sophia:volumes.database' manager-2`",
    ),
    "browser origin with a path": (
        changed(gateway={"origins": ["https://app.example.com/"]}),
        "sophia:gateway.origins[0]: got 'https://app.example.com/', expected a website as browsers",
        "",
    ),
    "every browser origin": (
        changed(gateway={"origins": ["*"]}),
        "sophia:gateway.origins[0]: got '*', expected a website as browsers name it",
        "",
    ),
    "browser origin with the scheme's port": (
        changed(gateway={"origins": ["https://app.example.com:443"]}),
        "sophia:gateway.origins[0]: got 'https://app.example.com:443', expected"
        " 'https://app.example.com'",
        "browsers leave",
    ),
    "caller of a server that does not run": (
        changed(gateway={"callers": {"alice": {"servers": ["ai_memry"]}}}),
        "sophia:gateway.callers.alice.servers[0]: got 'ai_memry', expected",
        "did you mean 'ai_memory'?",
    ),
    "caller without any server": (
        changed(gateway={"callers": {"alice": {"servers": []}}}),
        "sophia:gateway.callers.alice.servers: got [], expected at least one server",
        "leave the key out for all of them",
    ),
    "caller with an address as name": (
        changed(gateway={"callers": {"Alice@example.com": {}}}),
        "sophia:gateway.callers: got '…@example.com', expected a caller's name",
        "",
    ),
    "callers as a list": (
        changed(gateway={"callers": ["alice"]}),
        "sophia:gateway.callers: got ['alice'], expected a mapping",
        "",
    ),
    "caller's unknown key": (
        changed(gateway={"callers": {"alice": {"server": ["ai_memory"]}}}),
        "sophia:gateway.callers.alice.server: got an unknown key",
        "did you mean 'servers'?",
    ),
    "ssh from nowhere": (
        changed(firewall={"sshSources": ["192.0.2.0/24", "192.0.2.1/24"]}),
        "sophia:firewall.sshSources[1]: got '192.0.2.1/24', expected an IPv4 network such as",
        "host bits",
    ),
    "gateway from nowhere": (
        changed(firewall={"gatewaySources": ["2001:db8::/32"]}),
        "sophia:firewall.gatewaySources[0]: got '2001:db8::/32', expected an IPv4 network",
        "",
    ),
    "unknown key of the firewall": (
        changed(firewall={"sshSource": []}),
        "sophia:firewall.sshSource: got an unknown key, expected one of",
        "did you mean 'sshSources'?",
    ),
    "an image of one's own by its tag": (
        changed(backend={"image": "ghcr.io/team/backend:latest", "health": ["true"]}),
        "sophia:backend.image: got 'ghcr.io/team/backend:latest', expected an image with",
        "",
    ),
    "an image of one's own that nobody can watch": (
        changed(backend={"image": OWN_IMAGE}),
        "sophia:backend.health: got nothing, expected a command that exits with 0 when healthy",
        "",
    ),
    "variables for the platform's own backend": (
        changed(backend={"env": {"LOG_LEVEL": "info"}}),
        "sophia:backend.env: got a dict (not shown), expected none without sophia:backend.image",
        "",
    ),
    "a variable of the backend's that the platform sets": (
        changed(backend={"image": OWN_IMAGE, "health": ["true"], "env": {"PORT": "1"}}),
        "sophia:backend.env.PORT: got a str (not shown), expected another name",
        "",
    ),
    "a variable of the backend's in small letters": (
        changed(backend={"image": OWN_IMAGE, "health": ["true"], "secrets": {"a-b": "pw"}}),
        "sophia:backend.secrets.a-b: got a str (not shown), expected a name of capitals",
        "",
    ),
    "a variable and a secret of the same name": (
        changed(
            backend={
                "image": OWN_IMAGE,
                "health": ["true"],
                "env": {"TOKEN": "pw"},
                "secrets": {"TOKEN": "pw"},
            }
        ),
        "sophia:backend.secrets.TOKEN: got a str (not shown), expected either this or",
        "",
    ),
    "a region without a firewall": (
        changed(nodeGroups=groups({}, {"regions": ["us-east-1", "us-south-1"]})),
        "sophia:nodeGroups[1].regions[1]: got 'us-south-1', expected a region with a firewall",
        "remove it, or accept it by sophia:firewall.unprotectedRegions",
    ),
    "a region with a firewall is called unprotected": (
        changed(firewall={"unprotectedRegions": ["us-east-1"]}),
        "sophia:firewall.unprotectedRegions[0]: got 'us-east-1', expected only us-south-1",
        "",
    ),
    "unknown node for a volume": (
        changed(volumes={"database": "manager-4"}),
        "sophia:volumes.database: got 'manager-4', expected one of manager-1, manager-2",
        "did you mean 'manager-",
    ),
    "a text in place of the registry": (
        changed(registry="registry.example"),
        "sophia:registry: got a str (not shown), expected a mapping of keys to values",
        "",
    ),
    "a text in place of a group": (
        changed(nodeGroups=[*GOOD["nodeGroups"], "worker"]),
        "sophia:nodeGroups[2]: got 'worker', expected a mapping of keys to values",
        "",
    ),
    "bad address": (
        changed(lambdaApiUrl="cloud.lambda.ai"),
        "sophia:lambdaApiUrl: got 'cloud.lambda.ai', expected an address such as https://",
        "",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_fault_is_one_line_with_key_got_expected(case):
    values, beginning, advice = BAD[case]
    _, faults = check(values)
    assert len(faults) == 1, faults
    assert faults[0].startswith(beginning)
    assert advice in faults[0]
    assert "\n" not in faults[0]


def test_faults_of_configuration_and_catalog_come_together(tmp_path):
    folder = tmp_path / "mcp_catalog"
    (folder / "slack").mkdir(parents=True)
    (folder / "slack" / "server.yaml").write_text("name: slack\n")
    _, faults = check({"nodeGroups": "none", "color": "red"}, loader.load(folder))
    keys = {line.split(": got ")[0] for line in faults}
    assert {
        "mcp_catalog/slack/server.yaml: name",
        "mcp_catalog/slack/server.yaml: deploy.tier",
        "sophia:nodeGroups",
        "sophia:lambdaApiKey",
        "sophia:registry.server",
        "sophia:color",
    } <= keys


def test_the_error_lists_every_fault_and_counts_them():
    _, faults = read({}, project="sophia", stack="dev", catalog=whole(), offers=None)
    text = str(SettingsError(faults))
    assert text.startswith(f"{len(faults)} errors in the configuration")
    assert all(str(fault) in text for fault in faults)


def test_a_lost_state_is_no_error_of_the_configuration():
    wrong, lost = Fault("sophia:color", "an unknown key"), Fault("the state of stack dev", "empty")
    told = "this stack's state is lost or in another backend; nothing was changed."
    assert str(SettingsError((), [lost])).splitlines() == [told, f"  {lost}"]
    assert str(SettingsError([wrong], [lost])).splitlines() == [
        *("1 error in the configuration; nothing was changed.", f"  {wrong}"),
        *(told, f"  {lost}"),
    ]


def test_secrets_are_never_shown():
    settings, _ = check(GOOD)
    assert "nobody-may-see" not in repr(settings)
    assert "nobody-may-see" not in f"{settings.lambda_api_key} {settings.registry.password}"
    _, faults = check(
        changed(lambdaApiKey=["secret-1"], secrets={"LAMBDA_API_KEY": 5551234}, registry=7)
    )
    assert faults
    assert not any("secret-1" in line or "5551234" in line for line in faults)


@pytest.mark.parametrize(
    "registry",
    [
        "registry.example/user:hidden-1@x",
        ["hidden-1"],
        {"server": {"password": "hidden-1"}},
        {"server": "https://user:hidden-1@registry.example"},
        {"username": {"password": "hidden-1"}},
        {"username": ["hidden-1"]},
        {"passwrd": "hidden-1"},
        {"ca": "hidden-1"},
        {"repository": ["hidden-1"]},
    ],
)
def test_nothing_below_the_registry_but_server_and_repository_is_shown(registry):
    if isinstance(registry, dict):
        registry = {**GOOD["registry"], **registry}
    _, faults = check(changed(registry=registry))
    assert faults
    assert not any("hidden-1" in line for line in faults)


@pytest.mark.parametrize(("key", "value"), [("server", "a b"), ("repository", "Team")])
def test_server_and_repository_of_the_registry_are_shown(key, value):
    [fault] = check(changed(registry={**GOOD["registry"], key: value}))[1]
    assert fault.startswith(f"sophia:registry.{key}: got {value!r}")


@pytest.mark.parametrize(
    "url",
    ["https://user:hidden-1@api.example/v1", "https://api.example/v1?key=hidden-1", "a:hidden-1@"],
)
def test_an_address_is_shown_without_user_and_query(url):
    [fault] = check(changed(lambdaApiUrl=url))[1]
    assert fault.startswith("sophia:lambdaApiUrl: got '")
    assert "hidden-1" not in fault


def test_a_registrys_user_may_be_a_number():
    settings, faults = check(changed(registry={**GOOD["registry"], "username": 4711}))
    assert faults == []
    assert settings.registry.username == "4711"


def test_keys_of_the_users_own_begin_with_x():
    assert check(changed(**{"x-types": ["cpu_4x_general"]}, pace={"x-a": 1}))[1] == []


def test_many_faults_of_the_groups_come_at_once():
    _, faults = check(
        changed(
            nodeGroups=groups(
                {"count": 2, "instanceTypes": ["gpu_1x_a11"], "cuont": 2},
                {"name": "manager", "tier": "third", "regions": ["us-east-9"]},
            )
        )
    )
    assert [line.split(": got ")[0] for line in faults] == [
        "sophia:nodeGroups[0].instanceTypes[0]",
        "sophia:nodeGroups[0].cuont",
        "sophia:nodeGroups[1].tier",
        "sophia:nodeGroups[1].regions[0]",
        "sophia:nodeGroups[1].name",
        "sophia:nodeGroups",
    ]


def test_names_that_leave_no_room_for_a_nonce():
    _, faults = check(GOOD, stack="a-very-long-name-for-a-stack-of-this-project")
    assert any("characters, expected 54 characters at most" in line for line in faults)


def test_a_stack_name_that_machines_cannot_carry():
    _, faults = check(GOOD, stack="My_stack")
    assert any("'sophia-My_stack'" in line for line in faults)


def test_a_generation_is_taken_as_config_set_writes_it():
    """`pulumi config set --path 'nodeGroups[0].generation' 2` stores a number."""
    settings, faults = check(changed(nodeGroups=groups({"generation": 2})))
    assert faults == []
    assert settings.node_groups[0].generation == "2"


def test_one_machine_is_replaced_by_a_token_of_its_own():
    tokens = {"replace": {"manager-2": 2, "manager-3": "bad disk"}}
    settings, faults = check(changed(nodeGroups=groups(tokens)))
    assert faults == []
    generations = [plan.generation for plan in nodes.nodes(settings.node_groups)]
    assert generations[:3] == ["1", "1/2", "1/bad disk"]


def test_a_token_for_a_machine_that_is_none_is_a_fault():
    _, faults = check(
        changed(nodeGroups=groups({"replace": {"manager-9": 2, "manager-1": {"a": 1}}}))
    )
    assert any("replace.manager-9: got 2, expected one of manager-1" in line for line in faults)
    assert any("replace.manager-1" in line and 'a text such as "2"' in line for line in faults)


def test_without_the_clouds_offers_types_and_regions_are_left_alone():
    values = changed(nodeGroups=groups({"instanceTypes": ["whatever"], "regions": ["anywhere"]}))
    assert check(values, offers=None)[1] == []


@pytest.mark.parametrize(
    "name",
    [
        *("https://mcp.example.com", "mcp.example.com:443", "mcp.example.com/x", "mcp_a.example"),
        *(
            "mcp.example.com.",
            "*.example.com",
            "192.0.2.1",
            "-a.example",
            "a..b",
            "a b",
            "ä.example",
        ),
        f"{'a' * 64}.example",
        ".".join(["abcdefghi"] * 26),
    ],
)
def test_what_is_no_dns_name_is_refused(name):
    _, faults = check(changed(gateway={"hosts": ["mcp.example.com", name]}))
    assert [line.split(":")[1] for line in faults] == ["gateway.hosts[1]"]
    assert "expected a DNS name such as mcp.example.com" in faults[0]


def test_names_and_websites_are_taken_as_they_are_meant():
    settings, faults = check(
        changed(
            gateway={
                "hosts": ["MCP.Example.com", "4x.a-b.example", "gateway", "mcp.example.com"],
                "origins": ["https://app.example.com", "http://localhost:6274", "app-x://ab-c"],
            }
        )
    )
    assert faults == []
    assert settings.gateway.hosts == ("mcp.example.com", "4x.a-b.example", "gateway")
    assert len(settings.gateway.origins) == 3
    assert settings.gateway.port == 8443


def test_workers_may_be_in_another_region():
    values = changed(nodeGroups=groups({}, {"regions": ["moon-1"]}))
    assert check(values)[1] == []


def test_a_group_without_machines_is_in_no_region():
    spare = {**GOOD["nodeGroups"][0], "name": "spare", "count": 0, "regions": ["moon-1"]}
    assert check(changed(nodeGroups=[*groups(), spare]))[1] == []


@pytest.mark.parametrize(
    "pool",
    ["127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/8", "8.8.0.0/16", "0.0.0.0/0", "172.0.0.0/8"],
)
def test_pools_are_private(pool):
    _, faults = check(changed(overlay={"addressPools": [pool]}))
    assert len(faults) == 1
    assert "private addresses" in faults[0]


@pytest.mark.parametrize(
    "pool", ["10.200.0.0/22", "172.30.0.0/16", "192.168.8.0/21", "100.64.0.0/16"]
)
def test_private_pools_that_hold_three_networks_are_good(pool):
    assert check(changed(overlay={"addressPools": [pool], "subnetSize": 24}))[1] == []


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_the_stacks_of_this_repository_are_valid(stack):
    text = (CATALOG.parent / f"Pulumi.{stack}.yaml").read_text()
    given = {k.removeprefix("sophia:"): v for k, v in yaml.safe_load(text)["config"].items()}
    registry = {**GOOD["registry"], **given.get("registry", {})}
    _, faults = check({**given, "registry": registry, "lambdaApiKey": "k"}, offers=None)
    assert faults == []


def test_a_certificate_of_ones_own_is_a_value_and_its_key_a_secret():
    own = issue("mcp.example.com", issue("Root"), dns=("mcp.example.com",))
    gateway = {"hosts": ["MCP.example.com"], "certificate": own.chain, "privateKey": own.key_pem}
    settings, faults = check(changed(gateway=gateway))
    assert faults == []
    assert settings.gateway.hosts == ("mcp.example.com",)
    assert settings.gateway.certificate == own.chain
    assert settings.gateway.private_key.reveal() == own.key_pem
    assert own.key_pem not in repr(settings)


def test_faults_of_a_certificate_come_with_all_others_and_show_no_key():
    own = issue("mcp.example.com", issue("Root"), dns=("mcp.example.com",))
    secret = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49"
    gateway = {"port": 22, "certificate": own.chain, "privateKey": secret}
    _, faults = check(changed(gateway=gateway, servers=["ai_memry"]))
    assert [line.partition(": got")[0] for line in faults] == [
        "sophia:servers[0]",
        "sophia:gateway.port",
        "sophia:gateway.privateKey",
        "sophia:gateway.hosts",
    ]
    assert not any("MIGH" in line for line in faults)


def test_callers_are_read_with_what_they_may_use():
    callers = {"ci": None, "alice": {"servers": ["ai_memory"], "rotate": 2}}
    settings, faults = check(changed(gateway={"callers": callers}))
    assert faults == []
    assert settings.gateway.callers == (Caller("ci"), Caller("alice", ("ai_memory",), "2"))


@pytest.mark.parametrize("gateway", ["-----BEGIN PRIVATE KEY-----", {"privateKey": ["MIGH"]}])
def test_a_key_in_the_wrong_place_is_not_shown(gateway):
    _, faults = check(changed(gateway=gateway))
    assert faults
    assert not any("PRIVATE KEY" in line or "MIGH" in line for line in faults)


SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8))
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
KEYS = [
    *GOOD,
    "overlay",
    "servers",
    "secrets",
    "gateway",
    "firewall",
    "gpuProbe",
    "pace",
    "volumes",
    "recover",
    "rotate",
]


@given(st.dictionaries(st.sampled_from(KEYS), ANYTHING, max_size=8))
def test_no_configuration_whatever_breaks_the_rules_themselves(values):
    _, faults = check(values, loader.Catalog(()))
    assert faults
    assert all("\n" not in line for line in faults)


@given(st.integers(min_value=0, max_value=20))
def test_managers_are_an_odd_number_up_to_seven(count):
    _, faults = check(changed(nodeGroups=groups({"count": count})))
    about = [line for line in faults if "managers, expected" in line]
    assert bool(about) == (count not in (1, 3, 5, 7))
