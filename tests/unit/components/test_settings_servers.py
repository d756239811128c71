"""The settings of servers: which run, with which values, and their faults."""

import re
from dataclasses import replace

import pytest
import yaml

from components.catalog.loader import Catalog
from components.catalog.model import (
    Deploy,
    Health,
    Resources,
    SecretVariable,
    Server,
    Variable,
)
from components.settings_model import Sensitive
from tests.unit.components import samples
from tests.unit.components.samples import changed, check


def server(name: str, secrets=(), variables=(), env=None) -> Server:
    deploy = Deploy(2, 1, Resources(0.1, 64, 32), Health(3, 3, 3, 30))
    return Server(name, deploy, env=env or {}, secrets=secrets, variables=variables)


def secret(env: str, required=True) -> SecretVariable:
    return SecretVariable(env, "its key", "xoxb-1", required)


def variable(name: str, required=False) -> Variable:
    return Variable(name, "where it is", "T0123", required)


SLACK = server(
    "slack",
    [secret("SLACK_BOT_TOKEN"), secret("SLACK_USER_TOKEN", required=False)],
    [variable("SLACK_TEAM_ID", required=True), variable("SLACK_API_URL")],
    {"SLACK_PAGE": "100"},
)
CLOUD = server("cloud", [secret("LAMBDA_API_KEY")], [variable("LAMBDA_API_URL")])
MEMORY = server("memory", [secret("MEMORY_DATABASE_URL")], env={"MCP_ALLOW_WRITES": "true"})
OFFLINE = server("offline")
CATALOG = Catalog((CLOUD, MEMORY, OFFLINE, SLACK))
SLACK_GIVEN = {"env": {"SLACK_TEAM_ID": "T1"}, "secrets": {"SLACK_BOT_TOKEN": "own"}}


def chosen(values, **settings):
    """The servers by name, and what each is given, without a fault."""
    found, faults = check(changed(servers=values, **settings), CATALOG)
    assert faults == []
    return {one.name: one for one in found.servers}, found.credentials


def faults_of(values, catalog=CATALOG, **settings):
    return check(changed(servers=values, **settings), catalog)[1]


def test_a_list_of_names_chooses_and_nothing_is_all_of_them():
    assert list(chosen(["offline", "memory"])[0]) == ["memory", "offline"]
    for nothing in (None, [], {}, ""):
        assert list(chosen(nothing, startUnconfigured=True)[0]) == CATALOG.names()


def test_a_mapping_chooses_and_configures():
    servers, credentials = chosen({"offline": None, "memory": {}, "slack": SLACK_GIVEN})
    assert list(servers) == ["memory", "offline", "slack"]
    assert servers["memory"] == MEMORY
    assert servers["slack"].env == {"SLACK_PAGE": "100", "SLACK_TEAM_ID": "T1"}
    assert credentials["slack"] == {"SLACK_BOT_TOKEN": Sensitive("own")}
    assert credentials["memory"] == {}


def on_groups(servers, *changes):
    groups = [
        group | change for group, change in zip(samples.GOOD["nodeGroups"], changes, strict=True)
    ]
    return check(changed(servers=servers, nodeGroups=groups), CATALOG)[1]


@pytest.mark.parametrize(
    ("wanted", "types", "fits"),
    [
        (1, ["gpu_1x_a10"], True),
        (1, ["gpu_8x_h100_sxm5", "gpu_1x_a10"], True),
        (2, ["gpu_8x_h100_sxm5"], True),
        (2, ["gpu_8x_h100_sxm5", "gpu_1x_a10"], False),  # whichever is free is rented
        (1, ["cpu_4x_general"], False),
    ],
)
def test_a_replicas_gpus_are_those_of_one_machine(wanted, types, fits):
    servers = {"offline": {"resources": {"gpus": wanted}}}
    faults = on_groups(servers, {}, {"instanceTypes": types})
    assert [fault.split(", ")[0] for fault in faults] == (
        []
        if fits
        else [
            f"sophia:nodeGroups: got no machine with {wanted} GPU{'s' * (wanted > 1)} for offline"
        ]
    )
    gone = on_groups(servers, {}, {"instanceTypes": types, "count": 0})
    assert len(gone) == 1, "a group of nobody has none"


def test_a_server_of_tier_one_needs_its_gpus_on_primary_machines():
    first = replace(OFFLINE, deploy=replace(OFFLINE.deploy, tier=1))
    [fault] = faults_of({"offline": {"resources": {"gpus": 1}}}, Catalog((first,)))
    assert "for offline, expected a group on tier primary whose instanceTypes all have" in fault


def test_replicas_and_limits_are_the_operators():
    deploy = chosen({"offline": {"replicas": 10, "resources": {"memoryMb": 512}}})[0][
        "offline"
    ].deploy
    assert (deploy.replicas, deploy.resources) == (10, Resources(0.1, 512, 32))
    [fault] = faults_of({"offline": {"replicas": 11}})
    assert fault.startswith("sophia:servers.offline.replicas: got 11, expected a whole number from")


def test_debian_packages_for_its_image_are_the_operators():
    servers, _ = chosen({"offline": {"packages": ["chromium", "g++"]}, "memory": {}})
    assert (servers["offline"].packages, servers["memory"].packages) == (("chromium", "g++"), ())
    faults = faults_of({"offline": {"packages": ["x; reboot", "--fix", "Chromium", "$(a)"]}})
    assert [fault.split(", ")[0] for fault in faults] == [
        f"sophia:servers.offline.packages[{index}]: got {name!r}"
        for index, name in enumerate(["x; reboot", "--fix", "Chromium", "$(a)"])
    ]


def test_the_values_given_beat_what_the_platform_has():
    servers, credentials = chosen(["cloud"])
    assert servers["cloud"].env == {"LAMBDA_API_URL": "https://cloud.lambda.ai/api/v1"}
    assert credentials["cloud"] == {}, "the platform's own, which needs no value here"
    given = {"env": {"LAMBDA_API_URL": "https://x"}, "secrets": {"LAMBDA_API_KEY": "restricted"}}
    servers, credentials = chosen({"cloud": given})
    assert servers["cloud"].env == {"LAMBDA_API_URL": "https://x"}
    assert credentials["cloud"] == {"LAMBDA_API_KEY": Sensitive("restricted")}
    _, credentials = chosen(["memory"], secrets={"MEMORY_DATABASE_URL": "postgresql://x"})
    assert credentials["memory"] == {"MEMORY_DATABASE_URL": Sensitive("postgresql://x")}


def test_a_variable_that_the_catalog_sets_is_a_default_where_it_can_be_given():
    asked = [variable("PAGE", required=True)]
    catalog = Catalog((server("a", variables=asked, env={"PAGE": "10"}),))
    for given, expected in ({}, "10"), ({"PAGE": 20}, "20"):
        found, faults = check(changed(servers={"a": {"env": given}}), catalog)
        assert faults == []
        assert found.servers[0].env == {"PAGE": expected}


def test_the_platforms_key_goes_to_its_own_address_however_it_is_written():
    chosen({"cloud": {"env": {"LAMBDA_API_URL": "https://cloud.lambda.ai/api/v1/"}}})
    elsewhere = {"cloud": {"env": {"LAMBDA_API_URL": "https://x"}}}
    assert len(faults_of(elsewhere, startUnconfigured=True)) == 1


def test_two_servers_may_have_different_values_of_one_name():
    catalog = Catalog(tuple(server(name, [secret("API_TOKEN")]) for name in ("a", "b", "c")))
    values = changed(
        servers={"a": {"secrets": {"API_TOKEN": "of a"}}, "b": {}, "c": None},
        secrets={"API_TOKEN": "of all"},
    )
    settings, faults = check(values, catalog)
    assert faults == []
    found = {name: given["API_TOKEN"].reveal() for name, given in settings.credentials.items()}
    assert found == {"a": "of a", "b": "of all", "c": "of all"}


def test_settings_are_taken_as_config_set_writes_them():
    """`pulumi config set --path` stores `2` as a number, `true` as a flag and `0.5` as a text."""
    env = {"SLACK_TEAM_ID": 2, "SLACK_API_URL": True}
    servers, _ = chosen({"slack": {**SLACK_GIVEN, "env": env, "resources": {"cpus": "0.5"}}})
    assert servers["slack"].deploy.resources.cpus == 0.5
    assert servers["slack"].env["SLACK_TEAM_ID"] == "2"
    assert servers["slack"].env["SLACK_API_URL"] == "true"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"MCP_ALLOW_WRITES": "true"}),
        ({"allowWrites": False}, {"MCP_ALLOW_WRITES": "false"}),
        (
            {"allowDestructive": ["delete_memory", "delete_all"]},
            {"MCP_ALLOW_WRITES": "true", "MCP_ALLOW_DESTRUCTIVE": "delete_memory,delete_all"},
        ),
        (
            {"allowWrites": True, "tools": {"allow": ["get", "list"], "deny": ["search"]}},
            {
                "MCP_ALLOW_WRITES": "true",
                "MCP_TOOLS_ALLOW": "get,list",
                "MCP_TOOLS_DENY": "search",
            },
        ),
    ],
)
def test_policies_are_variables_where_they_are_configured(given, expected):
    assert chosen({"memory": given})[0]["memory"].env == expected
    assert chosen(["offline"])[0]["offline"].env == {}


def test_an_empty_list_takes_back_what_the_catalog_allows():
    catalog = Catalog((server("a", env={"MCP_ALLOW_DESTRUCTIVE": "delete"}),))
    found, _ = check(changed(servers={"a": {"allowDestructive": []}}), catalog)
    assert found.servers[0].env == {"MCP_ALLOW_DESTRUCTIVE": ""}


BAD = {
    "no tool at all": (
        {"offline": {"tools": {"allow": []}}},
        "sophia:servers.offline.tools.allow: got nothing, expected a list with at least one entry",
        "otherwise all are offered",
    ),
    "unknown server in a list": (
        ["ofline"],
        "sophia:servers[0]: got 'ofline', expected one of cloud, memory, offline, slack",
        "did you mean 'offline'?",
    ),
    "unknown server in a mapping": (
        {"memory": {}, "ofline": {"replicas": 2}},
        "sophia:servers.ofline: got 'ofline', expected one of cloud, memory, offline, slack",
        "did you mean 'offline'?",
    ),
    "a server twice": (
        ["offline", "offline"],
        "sophia:servers[1]: got 'offline', expected every name once",
        "",
    ),
    "settings in a list": (
        [{"offline": {"secrets": {"A": "of-nobody"}}}],
        "sophia:servers[0]: got a dict (not shown), expected a name",
        "",
    ),
    "no names at all": (
        "offline of-nobody",
        "sophia:servers: got a str (not shown), expected a mapping by names, or a list of names",
        "",
    ),
    "a value in place of settings": (
        {"offline": "of-nobody"},
        "sophia:servers.offline: got a str (not shown), expected a mapping of keys to values",
        "",
    ),
    "a value in place of settings that are needed": (
        {"slack": "of-nobody"},
        "sophia:servers.slack: got a str (not shown), expected a mapping of keys to values",
        "",
    ),
    "values in place of variables": (
        {"slack": {**SLACK_GIVEN, "env": "of-nobody"}},
        "sophia:servers.slack.env: got a str (not shown), expected a mapping of keys to values",
        "",
    ),
    "values in place of credentials": (
        {"slack": {**SLACK_GIVEN, "secrets": "of-nobody"}},
        "sophia:servers.slack.secrets: got a str (not shown), expected a mapping of keys to values",
        "",
    ),
    "the platform's key for another address": (
        {"cloud": {"env": {"LAMBDA_API_URL": "https://x"}}},
        "sophia:servers.cloud.secrets.LAMBDA_API_KEY: got nothing, expected a credential for that",
        "the platform's own one is not for sophia:servers.cloud.env.LAMBDA_API_URL",
    ),
    "unknown key": (
        {"offline": {"replica": 2}},
        "sophia:servers.offline.replica: got an unknown key, expected one of",
        "did you mean 'replicas'?",
    ),
    "unknown key of the tools": (
        {"offline": {"tools": {"denied": ["a"]}}},
        "sophia:servers.offline.tools.denied: got an unknown key, expected one of allow, deny",
        "did you mean 'deny'?",
    ),
    "unknown key of the limits": (
        {"offline": {"resources": {"memory_mb": 64}}},
        "sophia:servers.offline.resources.memory_mb: got an unknown key, expected one of cpus",
        "did you mean 'memoryMb'?",
    ),
    "a word for processors": (
        {"offline": {"resources": {"cpus": "half"}}},
        "sophia:servers.offline.resources.cpus: got 'half', expected a number from 0.05 to 64",
        "",
    ),
    "too many processors, as a text": (
        {"offline": {"resources": {"cpus": "65.0"}}},
        "sophia:servers.offline.resources.cpus: got '65.0', expected a number from 0.05 to 64",
        "",
    ),
    "too little memory": (
        {"offline": {"resources": {"memoryMb": 1}}},
        "sophia:servers.offline.resources.memoryMb: got 1, expected a whole number from 32",
        "",
    ),
    "unknown variable": (
        {"slack": {**SLACK_GIVEN, "env": {"SLACK_TEAM_ID": "T1", "SLACK_APIURL": "of-nobody"}}},
        "sophia:servers.slack.env.SLACK_APIURL: got an unknown key, expected one of SLACK_TEAM_ID",
        "did you mean 'SLACK_API_URL'?",
    ),
    "a variable of a server that has none": (
        {"offline": {"env": {"A": "b"}}},
        "sophia:servers.offline.env.A: got an unknown key, expected none",
        "remove it",
    ),
    "a required variable is missing": (
        {"slack": {"secrets": SLACK_GIVEN["secrets"]}},
        "sophia:servers.slack.env.SLACK_TEAM_ID: got nothing, expected a text such as 'T0123'",
        "slack needs it (where it is): run `pulumi config set --path"
        " 'sophia:servers.slack.env.SLACK_TEAM_ID' …`",
    ),
    "a list for a variable": (
        {"slack": {**SLACK_GIVEN, "env": {"SLACK_TEAM_ID": ["of-nobody"]}}},
        "sophia:servers.slack.env.SLACK_TEAM_ID: got a list (not shown), expected a text such as",
        "",
    ),
    "a credential as a variable": (
        {"slack": {**SLACK_GIVEN, "env": {"SLACK_TEAM_ID": "T1", "SLACK_USER_TOKEN": "of-nobody"}}},
        "sophia:servers.slack.env.SLACK_USER_TOKEN: got a str (not shown), expected the key"
        " sophia:servers.slack.secrets.SLACK_USER_TOKEN instead",
        "it is a credential",
    ),
    "a variable as a credential": (
        {"slack": {**SLACK_GIVEN, "secrets": {"SLACK_BOT_TOKEN": "x", "SLACK_API_URL": "y"}}},
        "sophia:servers.slack.secrets.SLACK_API_URL: got a str (not shown), expected the key"
        " sophia:servers.slack.env.SLACK_API_URL instead",
        "it is not a credential",
    ),
    "unknown credential": (
        {"slack": {**SLACK_GIVEN, "secrets": {"SLACK_BOT_TOKEN": "x", "SLACK_USER_TOKN": "y"}}},
        "sophia:servers.slack.secrets.SLACK_USER_TOKN: got an unknown key, expected one of",
        "did you mean 'SLACK_USER_TOKEN'?",
    ),
    "a number as a credential": (
        {"slack": {**SLACK_GIVEN, "secrets": {"SLACK_BOT_TOKEN": 5551234}}},
        "sophia:servers.slack.secrets.SLACK_BOT_TOKEN: got a int (not shown), expected a text",
        "",
    ),
    "a credential is missing": (
        {"slack": {"env": SLACK_GIVEN["env"]}},
        "sophia:secrets.SLACK_BOT_TOKEN: got nothing, expected a text such as 'xoxb-1'; slack needs"
        " it (its key): run `pulumi config set --secret --path 'sophia:secrets.SLACK_BOT_TOKEN'`,",
        "or set SLACK_BOT_TOKEN in the environment",
    ),
    "writing as a text": (
        {"offline": {"allowWrites": "yes"}},
        "sophia:servers.offline.allowWrites: got 'yes', expected true or false",
        "",
    ),
    "destroying without writing": (
        {"offline": {"allowDestructive": ["end_it"]}},
        "sophia:servers.offline.allowDestructive: got ['end_it'], expected none without"
        " sophia:servers.offline.allowWrites: true",
        "",
    ),
    "a tool allowed and denied": (
        {"offline": {"tools": {"allow": ["a", "b"], "deny": ["b"]}}},
        "sophia:servers.offline.tools.deny[0]: got 'b', expected a tool that is not in allow",
        "",
    ),
    "two tools in one text": (
        {"offline": {"tools": {"allow": ["a,b"]}}},
        "sophia:servers.offline.tools.allow[0]: got 'a,b', expected a tool's name such as",
        "",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_fault_is_one_line_with_key_got_expected(case):
    values, beginning, advice = BAD[case]
    [fault] = faults_of(values)
    assert fault.startswith(beginning)
    assert advice in fault
    assert "of-nobody" not in fault


def test_an_unknown_shared_credential():
    [fault] = faults_of(["offline"], secrets={"LAMBDA_APIKEY": "hidden"})
    assert fault.startswith("sophia:secrets.LAMBDA_APIKEY: got an unknown key, expected one of")
    assert "did you mean 'LAMBDA_API_KEY'?" in fault


def test_shared_credentials_of_the_wrong_shape_are_one_fault():
    [fault] = faults_of({"slack": {"env": SLACK_GIVEN["env"]}}, secrets="hidden")
    assert fault.startswith("sophia:secrets: got a str (not shown)")


def test_a_credential_that_two_servers_miss_is_one_fault():
    catalog = Catalog(tuple(server(name, [secret("API_TOKEN")]) for name in ("a", "b")))
    [fault] = faults_of(None, catalog)
    assert "; a and b need it (its key)" in fault


def test_a_credential_of_a_server_that_does_not_run_is_no_fault():
    chosen(["offline"], secrets={"SLACK_BOT_TOKEN": "x"})


def test_a_stack_may_start_its_servers_unconfigured():
    servers, credentials = chosen(None, startUnconfigured=True)
    assert "SLACK_TEAM_ID" not in servers["slack"].env
    assert credentials["slack"] == {}
    assert len(faults_of(None)) == 2
    assert len(faults_of({"slack": {"replica": 1}}, startUnconfigured=True)) == 1


def test_nothing_given_is_ever_shown():
    found, _ = check(changed(servers={"slack": SLACK_GIVEN}), CATALOG)
    assert "own" not in repr(found.credentials)


def test_the_example_of_the_documentation_is_good():
    text = (samples.CATALOG.parent / "docs" / "how-to" / "production.md").read_text()
    [example] = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    servers = yaml.safe_load(example)["config"]["sophia:servers"]
    found, faults = check(changed(servers=servers))
    assert faults == []
    by_name = {one.name: one for one in found.servers}
    assert list(by_name) == ["ai_memory", "lambda_labs_cli"]
    assert by_name["lambda_labs_cli"].env["MCP_ALLOW_DESTRUCTIVE"] == "terminate_instance"
