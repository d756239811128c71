"""Configuration as a plain mapping: what is accepted, and every fault at once."""

import copy
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.catalog import loader
from components.catalog.model import Deploy, Health, Resources, SecretVariable, Server
from components.plan import firewall as plan
from components.plan import nodes
from components.settings_model import Offers, Rotation, SettingsError
from components.settings_rules import read

CATALOG = Path(__file__).parents[3] / "mcp_catalog"
OFFERS = Offers(
    frozenset({"cpu_4x_general", "gpu_1x_a10", "gpu_8x_h100_sxm5"}),
    frozenset({"us-east-1", "moon-1"}),
)
GOOD = {
    "lambdaApiKey": "key-that-nobody-may-see",
    "nodeGroups": [
        {
            "name": "manager",
            "count": 3,
            "role": "manager",
            "tier": "primary",
            "instanceTypes": ["cpu_4x_general"],
            "regions": ["us-east-1"],
        },
        {
            "name": "worker",
            "count": 1,
            "role": "worker",
            "tier": "secondary",
            "instanceTypes": ["gpu_1x_a10"],
            "regions": ["us-east-1", "moon-1"],
        },
    ],
    "registry": {
        "server": "registry.example:5000",
        "username": "u",
        "password": "pw-that-nobody-may-see",
    },
}


SOURCES = plan.Sources(("0.0.0.0/0",), ("0.0.0.0/0",))


def server(name: str, *, port: int = 9100, tier: int = 2, secret: str = "") -> Server:
    secrets = (SecretVariable(name, secret, "its key", "", True),) if secret else ()
    deploy = Deploy(tier, port, 1, Resources(0.1, 64, 32), Health(3, 3, 3, 30))
    return Server(name, name, name, "test", (), deploy, secrets=secrets)


def check(values, catalog=None, *, stack="dev", offers=OFFERS):
    catalog = catalog if catalog is not None else loader.load(CATALOG)
    settings, faults = read(values, project="sophia", stack=stack, catalog=catalog, offers=offers)
    return settings, [str(fault) for fault in faults]


def changed(**changes):
    return {**copy.deepcopy(GOOD), **changes}


def groups(*changes):
    """The good groups with one mapping of changes each; None removes a key."""
    result = copy.deepcopy(GOOD["nodeGroups"])
    for group, change in zip(result, changes, strict=False):
        group.update(change)
    return result


def test_good_values_become_settings():
    settings, faults = check(GOOD)
    assert faults == []
    assert settings.prefix == "sophia-dev"
    assert [group.count for group in settings.node_groups] == [3, 1]
    assert (settings.volumes, settings.confirm_data_loss) == ({}, "")
    assert settings.recover_on == ""
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
        "survive the loss of 0",
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
        changed(overlay={"addressPools": ["10.200.0.0/16", "10.200.8.0/21"]}),
        "sophia:overlay.addressPools[1]: got '10.200.8.0/21', expected addresses apart from"
        " 10.200.0.0/16",
        "",
    ),
    "pool over Docker's bridge": (
        changed(overlay={"addressPools": ["172.16.0.0/12"]}),
        "sophia:overlay.addressPools[0]: got '172.16.0.0/12', expected addresses apart from"
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
    "gateway port out of range": (
        changed(gatewayPort=70000),
        "sophia:gatewayPort: got 70000, expected a whole number from 1 to 65535",
        "",
    ),
    "gateway port taken": (
        changed(gatewayPort=2377),
        "sophia:gatewayPort: got 2377, expected another port: this is Swarm's managers's",
        "",
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
    "a region without a firewall": (
        changed(nodeGroups=groups({"regions": ["us-east-1", "us-south-1"]})),
        "sophia:nodeGroups[0].regions[1]: got 'us-south-1', expected a region with a firewall",
        "take it out, or accept it by sophia:firewall.unprotectedRegions",
    ),
    "a region with a firewall is called unprotected": (
        changed(firewall={"unprotectedRegions": ["us-east-1"]}),
        "sophia:firewall.unprotectedRegions[0]: got 'us-east-1', expected only us-south-1",
        "",
    ),
    "unknown server": (
        changed(servers=["ai_memry"]),
        "sophia:servers[0]: got 'ai_memry', expected one of",
        "did you mean 'ai_memory'?",
    ),
    "unknown node for a volume": (
        changed(volumes={"database": "manager-4"}),
        "sophia:volumes.database: got 'manager-4', expected one of manager-1, manager-2",
        "did you mean 'manager-",
    ),
    "unknown credential": (
        changed(secrets={"LAMBDA_APIKEY": "hidden"}),
        "sophia:secrets.LAMBDA_APIKEY: got an unknown credential, expected one of",
        "did you mean 'LAMBDA_API_KEY'?",
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
    (folder / "slack" / "server.yaml").write_text("name: slacker\n")
    _, faults = check({"nodeGroups": "none", "color": "red"}, loader.load(folder))
    keys = {line.split(": got ")[0] for line in faults}
    assert {
        "mcp_catalog/slack/server.yaml: name",
        "mcp_catalog/slack/server.yaml: deploy.port",
        "sophia:nodeGroups",
        "sophia:lambdaApiKey",
        "sophia:registry.server",
        "sophia:color",
    } <= keys


def test_the_error_lists_every_fault_and_counts_them():
    _, faults = read({}, project="sophia", stack="dev", catalog=loader.load(CATALOG), offers=None)
    text = str(SettingsError(faults))
    assert text.startswith(f"{len(faults)} faults in the configuration")
    assert all(str(fault) in text for fault in faults)


def test_a_missing_credential_names_server_purpose_and_command():
    catalog = loader.Catalog((server("slack", secret="SLACK_BOT_TOKEN"),))
    _, faults = check(GOOD, catalog)
    assert faults == [
        "sophia:secrets.SLACK_BOT_TOKEN: got nothing, expected a text; slack needs it (its key):"
        " run `pulumi config set --secret --path 'sophia:secrets.SLACK_BOT_TOKEN'`"
    ]
    settings, faults = check(changed(secrets={"SLACK_BOT_TOKEN": "x"}), catalog)
    assert faults == []
    assert settings.secrets["SLACK_BOT_TOKEN"].reveal() == "x"


def test_a_credential_of_a_server_that_does_not_run_is_no_fault():
    catalog = loader.Catalog((server("slack", secret="SLACK_BOT_TOKEN"), server("other", port=2)))
    _, faults = check(changed(secrets={"SLACK_BOT_TOKEN": "x"}, servers=["other"]), catalog)
    assert faults == []


def test_secrets_are_never_shown():
    settings, _ = check(GOOD)
    assert "nobody-may-see" not in repr(settings)
    assert "nobody-may-see" not in f"{settings.lambda_api_key} {settings.registry.password}"
    _, faults = check(
        changed(lambdaApiKey=["secret-1"], secrets={"LAMBDA_API_KEY": 5551234}, registry=7)
    )
    assert faults
    assert not any("secret-1" in line or "5551234" in line for line in faults)


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
    "gatewayPort",
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
