"""The whole platform as one graph: what waits for what, what is secret, the outputs."""

from dataclasses import asdict, replace

import pulumi
import pytest

from components.outputs import OUTPUTS
from components.plan import networks
from components.platform_stack import PlatformStack
from components.settings_model import Offers
from components.settings_rules import read
from tests.support import catalog

GROUP = {"instanceTypes": ["cpu_4x_general"], "regions": ["us-east-1"]}
VALUES = {
    "lambdaApiUrl": "https://api.example/api/v1",
    "lambdaApiKey": "the-api-key",
    "nodeGroups": [
        {"name": "manager", "count": 3, "role": "manager", "tier": "primary", **GROUP},
        {"name": "worker", "count": 1, "role": "worker", "tier": "secondary", **GROUP}
        | {"regions": ["us-east-1", "us-west-1"]},
    ],
    "registry": {"server": "registry.example", "username": "u", "password": "the-password"},
    "servers": ["ai_memory", "lambda_labs_cli"],
    "gateway": {"hosts": ["mcp.example"], "origins": ["https://app.example"]},
}

MACHINES = ("manager-1", "manager-2", "manager-3", "worker-1")


@pytest.fixture
def exports():
    return {}


@pytest.fixture(scope="module")
def unchanged():
    return {}


@pytest.fixture
def seen(registered, preview, exports, unchanged, tmp_path, monkeypatch):
    """What it registers with VALUES; run once for all tests that change nothing."""
    if preview not in unchanged:
        unchanged[preview] = run(registered, tmp_path, monkeypatch, exports), exports
    found, handed_out = unchanged[preview]
    exports.update(handed_out)
    return found


def run(registered, tmp_path, monkeypatch, exports=None, former=None, layouts=(), **changes):
    """Everything that the platform registers; exports gets what it hands out, networks and layouts
    as values. former: networks; layouts: theirs.
    """
    monkeypatch.chdir(tmp_path)  # contexts of images are staged below the working directory
    for work in ("stage", "have"):  # downloads and Docker; their own tests see to them
        monkeypatch.setattr(f"components.image_cache.ImageCache.{work}", lambda *given: None)
    offers = Offers({"cpu_4x_general": 20, "gpu_1x_a10": 75}, frozenset({"us-east-1"}))
    settings, faults = read(
        {**VALUES, **changes},
        project="sophia",
        stack="dev",
        catalog=catalog.whole(),
        offers=offers,
    )
    assert faults == ()
    settings = replace(settings, former_networks=former or {}, former_layouts=layouts)
    handed_out = {} if exports is None else exports

    def program():
        handed_out.update(PlatformStack("platform", settings).exports)
        for output in (networks.OUTPUT, networks.LAYOUTS):
            handed_out[output].apply(
                lambda known, output=output: handed_out.update({output: known})
            )

    return registered(program)


def reached(seen, name):
    """Everything that a resource waits for, directly or through others."""
    found, todo = set(), [name]
    while todo:
        for dependency in seen[todo.pop()].dependencies:
            if dependency not in found and dependency in seen:
                found.add(dependency)
                todo.append(dependency)
    return found


def test_everything_hangs_below_the_platform(seen):
    assert seen["platform"].type == "sophia:index:PlatformStack"
    for resource in seen.values():
        if resource.name != "platform":
            assert resource.parent in seen or f"image {resource.parent}" in seen, resource.name


def test_one_key_of_the_account_serves_all_machines(seen, preview):
    keys = [resource for resource in seen.values() if resource.type == "lambdalabs:index:SshKey"]
    assert len(keys) == 1
    if not preview:
        assert keys[0].inputs["name"] == "sophia-dev-login", "as the first version called it"
    for name in ("manager-1", "manager-2", "manager-3", "worker-1"):
        assert "login-key" in reached(seen, f"{name}-instance")


def test_machines_get_the_rulesets_of_their_role_wherever_they_may_be(seen, preview):
    rulesets = {
        one.name: one.inputs for one in seen.values() if one.type.endswith(":FirewallRuleset")
    }
    assert set(rulesets) == {
        "firewall-node-us-east-1", "firewall-node-us-west-1", "firewall-manager-us-east-1",
    }  # fmt: skip
    ssh = rulesets["firewall-node-us-west-1"]["rules"]
    assert [(rule["portRange"], rule["sourceNetwork"]) for rule in ssh] == [
        ([22, 22], "0.0.0.0/0"),
    ]
    both = rulesets["firewall-manager-us-east-1"]["rules"]
    assert [(rule["portRange"], rule["sourceNetwork"]) for rule in both] == [
        ([22, 22], "0.0.0.0/0"),
        ([8443, 8443], "0.0.0.0/0"),
    ]
    if not preview:
        given = {name: seen[f"{name}-instance"].inputs["firewallRulesets"] for name in MACHINES}
        node, manager = (f"firewall-{kind}-us-east-1-id" for kind in ("node", "manager"))
        assert given["manager-2"] == {"us-east-1": [node, manager]}
        assert given["worker-1"] == {
            "us-east-1": [node], "us-west-1": ["firewall-node-us-west-1-id"],
        }  # fmt: skip


def test_a_member_joins_after_the_others_let_it_in_and_leaves_before_they_stop(seen, preview):
    for name in MACHINES:
        own = {
            one.name for one in seen.values()
            if one.type.endswith(":FirewallRules") and one.name.endswith(f"-{name}")
        }  # fmt: skip
        # Overlays are encrypted here: one rule of the nodes' kind says it all.
        assert own == {
            f"firewall-node-us-east-1-{name}", f"firewall-node-us-west-1-{name}",
        }  # fmt: skip
        assert own <= reached(seen, f"swarm-{name}")
        assert all(f"{name}-ready" in reached(seen, one) for one in own)
        if not preview:
            rules = seen[f"firewall-node-us-east-1-{name}"].inputs["rules"]
            assert {rule["sourceNetwork"] for rule in rules} == {
                f"address-of-{name}-ready", f"private-address-of-{name}-ready",
            }  # fmt: skip


def test_postgres_then_memory_then_gateway(seen):
    assert "database-service" in reached(seen, "ai_memory-service")
    assert {"ai_memory-service", "lambda_labs_cli-service"} <= reached(seen, "gateway-service")
    assert "gateway-service" not in reached(seen, "ai_memory-service")


def test_a_server_waits_for_no_other_server(seen):
    assert "ai_memory-service" not in reached(seen, "lambda_labs_cli-service")
    assert "database-service" not in reached(seen, "lambda_labs_cli-service")


def networks_of(seen):
    return {
        name: seen[f"{name}-service"].inputs["networks"]
        for name in ("database", "ai_memory", "lambda_labs_cli", "gateway")
    }


def test_only_those_with_its_password_are_on_the_databases_network(seen, preview):
    if not preview:
        edge, data = "id-of-services-overlay", "id-of-data-overlay"
        assert networks_of(seen) == {
            "database": [data],
            "ai_memory": [edge, data],
            "lambda_labs_cli": [edge],
            "gateway": [edge],
        }
    assert seen["data-overlay"].inputs["internal"] is True
    assert "internal" not in seen["services-overlay"].inputs, "as the first version made it"


def test_a_database_of_the_first_version_stays_where_its_clients_are_for_one_run(
    registered, preview, tmp_path, monkeypatch
):
    seen = run(registered, tmp_path, monkeypatch, former=networks.BEFORE)
    if not preview:
        assert networks_of(seen)["database"] == ["id-of-data-overlay", "id-of-services-overlay"]


PLAIN = {"database": ["data"], "ai_memory": ["services", "data"], "lambda_labs_cli": ["services"]}
PLAIN["gateway"] = PLAIN["gateway-config"] = ["services"]
ENCRYPTED = networks.Layout(encrypted=True, mtu=0)
SMALLER = networks.Layout(encrypted=False, mtu=1400, generation=2)


def test_networks_of_another_layout_take_the_place_of_the_former_ones_in_two_runs(
    registered, preview, tmp_path, monkeypatch
):
    overlay, told, said = {"encrypted": False, "mtu": 1400}, {}, []
    monkeypatch.setattr(pulumi.log, "info", lambda text, *about: said.append(text))
    seen = run(
        registered, tmp_path, monkeypatch, told, PLAIN, layouts=(ENCRYPTED,), overlay=overlay
    )
    assert networks.SWAP in said
    before, after = (seen[f"services{end}-overlay"].inputs for end in ("", "-2"))
    assert (before["encrypted"], before.get("mtu")) == (True, None), "as it is"
    assert before["namePrefix"] == "sophia-dev-services"
    assert (after["encrypted"], after["mtu"]) == (False, 1400)
    assert [seen[f"data{end}-overlay"].inputs["internal"] for end in ("", "-2")] == [True, True]
    if preview:
        return
    assert networks_of(seen)["ai_memory"] == [
        f"id-of-{name}-overlay" for name in ("services-2", "data-2", "services", "data")
    ]
    assert networks_of(seen)["gateway"] == ["id-of-services-2-overlay", "id-of-services-overlay"]
    assert opened(seen) == "all", "packets of the former networks are let through"

    for open_to in ("all", "tcp"):  # until none of them is left
        former, layouts = (
            told["networks"],
            tuple(networks.Layout(**one) for one in told["network_layouts"]),
        )
        seen = run(registered, tmp_path, monkeypatch, told, former, layouts, overlay=overlay)
        assert "services-overlay" not in seen
        assert networks_of(seen)["ai_memory"] == [
            "id-of-services-2-overlay",
            "id-of-data-2-overlay",
        ]
        assert told["network_layouts"] == [asdict(SMALLER)]
        assert opened(seen) == open_to


def opened(seen):
    """The first protocol that machines let one another in by."""
    return seen["firewall-node-us-east-1-worker-1"].inputs["rules"][0]["protocol"]


def test_no_stand_in_of_the_plan_is_deployed(seen):
    services = [item for item in seen.values() if item.type == "swarm:index:Service"]
    assert services
    assert not [item.name for item in services if "known-later" in str(item.inputs)]


def test_every_service_is_planned_so_that_its_rules_are_checked_and_its_logs_are_found(
    seen, exports, preview
):
    kinds = ("service", "job")
    running = {
        item.name.removesuffix(f"-{kind}")
        for kind in kinds
        for item in seen.values()
        if item.type == f"swarm:index:{kind.capitalize()}"
    }
    if not preview:
        assert {*exports["networks"]} == running


def test_a_former_password_goes_after_everything_that_logs_in_has_the_new_one(seen, preview):
    assert "database-service" in reached(seen, "database-admission-job")
    assert "database-admission-job" in reached(seen, "ai_memory-service")
    assert "database-admission-job" not in reached(seen, "database-service")
    assert "ai_memory-service" in reached(seen, "database-revocation-job")
    assert "lambda_labs_cli-service" not in reached(seen, "database-revocation-job")
    if not preview:
        assert "secrets" not in seen["database-service"].inputs, "a password restarts no server"


def test_another_text_makes_another_password_of_the_database(registered, tmp_path, monkeypatch):
    for rotate, keepers in (({}, None), ({"database": 2}, {"rotate": "2"})):
        seen = run(registered, tmp_path, monkeypatch, {}, rotate=rotate)
        assert seen["database-password"].inputs.get("keepers") == keepers


def test_services_wait_for_every_member(seen):
    members = {name for name, item in seen.items() if item.type == "swarm:index:Member"}
    assert len(members) == 4
    assert members <= reached(seen, "database-service")


def test_machines_are_made_after_the_volumes_home_and_one_of_them_holds_it(seen, preview):
    machines = [item for item in seen.values() if item.type == "lambdalabs:index:Instance"]
    assert all("database-home" in reached(seen, item.name) for item in machines)
    # And with them everything below the same component, such as their nonces.
    wholes = [item for item in seen.values() if item.type == "sophia:index:LambdaInstance"]
    assert [item.dependencies for item in wholes] == [["database-home"]] * 4
    if not preview:
        held = {item.name: item.inputs["volumes"] for item in machines}
        assert held.pop("manager-1-instance") == ["database-0a1b2c3d"]
        assert set(map(tuple, held.values())) == {()}
        volume = seen["database-volume"].inputs
        assert (volume["node"], volume["instanceId"]) == ("manager-1", "manager-1-instance-id")


def test_keys_and_passwords_are_secret_wherever_they_go(seen, preview):
    assert "apiKey" in seen["account"].secrets
    assert "data" in seen["lambda_labs_cli-lambda-api-key"].secrets
    if not preview:  # unknown before the key exists
        assert "privateKey" in seen["swarm-services"].secrets
    for resource in seen.values():
        open_text = {
            key: value for key, value in resource.inputs.items() if key not in resource.secrets
        }
        assert "the-api-key" not in str(open_text.get("env", "")), resource.name


def test_no_servers_credential_is_anywhere_but_in_its_secret(
    registered, preview, tmp_path, monkeypatch
):
    """For all servers: `docker inspect` and images show everything that is not secret here."""
    servers = catalog.whole().servers
    asked = {secret.env for server in servers for secret in server.secrets}
    canaries = {env: f"canary-{number}-of-{env}" for number, env in enumerate(sorted(asked))}
    needed = {
        server.name: {"env": {one.name: one.example for one in server.variables if one.required}}
        for server in servers
    }
    own = {
        "image": f"ghcr.io/team/backend@sha256:{64 * '1'}",
        "health": ["/app/health"],
        "secrets": {"BACKEND_TOKEN": "canary-of-the-backend"},
    }
    seen = run(registered, tmp_path, monkeypatch, servers=needed, secrets=canaries, backend=own)
    found = set()
    for resource in seen.values():
        for key, value in resource.inputs.items():
            kept = {name for name, canary in canaries.items() if canary in str(value)}
            if "canary-of-the-backend" in str(value):
                kept.add("BACKEND_TOKEN")
            if kept:
                assert (resource.type, key) == ("swarm:index:Secret", "data"), resource.name
                assert "data" in resource.secrets, resource.name
            found |= kept
    assert found == {*asked, "BACKEND_TOKEN"}, "each arrives"


WATCHED = {
    "enabled": True,
    "slack": "https://hooks.example/canary-of-slack",
    "email": {
        "smarthost": "smtp.example.com:587",
        "from": "sophia@example.com",
        "to": ["ops@example.com"],
        "username": "sophia",
        "password": "canary-of-mail",
    },
}


def test_who_watches_comes_last_and_its_secrets_are_files(
    registered, preview, exports, tmp_path, monkeypatch
):

    seen = run(registered, tmp_path, monkeypatch, exports, monitoring=WATCHED)
    assert "gateway-service" in reached(seen, "prometheus-service")
    assert {"alertmanager-service", "node-exporter-service"} <= reached(seen, "prometheus-service")
    for secret in ("alertmanager-slack", "alertmanager-password"):
        assert seen[secret].secrets == {"data"}
    for resource in seen.values():
        kept = [key for key, value in resource.inputs.items() if "canary" in str(value)]
        assert kept in ([], ["data"]), resource.name
    if not preview:
        watching, alerts = (
            [f"id-of-{name}-overlay" for name in names]
            for names in (("monitoring", "services"), ("monitoring",))
        )
        assert seen["prometheus-service"].inputs["networks"] == watching
        assert seen["alertmanager-service"].inputs["networks"] == alerts
        watchers = {"prometheus", "alertmanager", "node-exporter", "database-exporter"}
        assert set(exports["networks"]) >= watchers
        expected = seen["prometheus-expected"].inputs["data"]
        assert "sophia_expected_nodes, expr: vector(4)" in expected
        assert "sophia_expected_managers, expr: vector(3)" in expected
        assert "sophia_certificate_ends_seconds, expr: vector(1927627200)" in expected
        exporter = seen["node-exporter-service"].inputs
        assert exporter["hostname"] == "{{.Node.Hostname}}"
        (mount,) = exporter["mounts"]
        assert (mount["source"], mount["readOnly"]) == ("/var/lib/sophia-report", True)
        files = {one["path"] for one in seen["swarm-worker-1-setup"].inputs["files"]}
        assert "/etc/systemd/system/sophia-report.service" in files
        for secret in ("database-monitor-password-file", "database-exporter-password"):
            assert seen[secret].secrets == {"data"}
    assert "database-service" in reached(seen, "database-exporter-service")


def test_nobody_being_told_is_a_warning(registered, tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(pulumi.log, "warn", lambda text, *about: said.append(text))
    run(registered, tmp_path, monkeypatch, monitoring={"enabled": True})
    assert "alerts reach nobody: set sophia:monitoring.slack or sophia:monitoring.email" in said


def test_without_monitoring_there_is_nothing_of_it(seen):
    assert not [name for name in seen if "prometheus" in name or "monitoring" in name]


def test_a_backend_of_the_operators_is_run_in_place_of_the_platforms(
    registered, preview, tmp_path, monkeypatch
):
    image = f"ghcr.io/team/backend@sha256:{64 * '1'}"
    own = {"image": image, "health": ["/app/health"], "env": {"LOG_LEVEL": "info"}}
    seen = run(registered, tmp_path, monkeypatch, backend=own)
    service = seen["backend-service"].inputs
    assert service["image"] == image
    assert service["health"]["test"] == ["CMD", "/app/health"]
    assert service["env"]["LOG_LEVEL"] == "info"
    assert "image backend" not in seen


def test_the_backend_waits_for_no_server_and_the_gateway_for_the_backend(seen):
    assert "backend-service" in reached(seen, "gateway-service")
    assert not {"ai_memory-service", "database-service"} & reached(seen, "backend-service")


def test_the_servers_environment_comes_from_the_settings(seen):
    env = seen["lambda_labs_cli-service"].inputs["env"]
    assert env["LAMBDA_API_URL"] == "https://api.example/api/v1"
    assert "LAMBDA_API_URL" not in seen["ai_memory-service"].inputs["env"]


def test_a_servers_own_credentials_are_used_in_place_of_the_platforms(
    registered, preview, tmp_path, monkeypatch
):
    own = {
        "ai_memory": {"MEMORY_DATABASE_URL": "url"},
        "lambda_labs_cli": {"LAMBDA_API_KEY": "key"},
    }
    servers = {name: {"secrets": secrets} for name, secrets in own.items()}
    seen = run(registered, tmp_path, monkeypatch, servers=servers)
    assert "database-service" not in reached(seen, "ai_memory-service")
    assert "database-service" in seen, "the platform's own stays"
    for name, value in {
        "ai_memory-memory-database-url": "url",
        "lambda_labs_cli-lambda-api-key": "key",
    }.items():
        assert "data" in seen[name].secrets
        assert seen[name].inputs["data"] == value


def test_the_gateways_names_and_origins_come_from_the_settings(seen, preview):
    assert seen["gateway-certificate"].inputs["dnsNames"] == ["mcp.example"]
    if not preview:
        config = seen["gateway-config-haproxy"].inputs["data"]
        assert "mcp.example" in config
        assert "https://app.example" in config


def test_a_preview_tells_what_the_machines_cost(registered, preview, tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(pulumi.log, "info", lambda text, *about: said.append(text))
    run(registered, tmp_path, monkeypatch)
    costs = [text for text in said if text.startswith("expected cost")]
    assert bool(costs) == preview
    assert all("$0.80 an hour" in text and "3 cpu_4x_general at $0.20" in text for text in costs)


def test_what_is_handed_out(seen, exports):
    assert set(exports) == set(OUTPUTS)
    assert set(exports["nodes"]) == {"manager-1", "manager-2", "manager-3", "worker-1"}
    assert isinstance(exports["gateway_token"], pulumi.Output)


BACKUP = {"bucket": "sophia-backups", "accessKey": "the-access-key", "secretKey": "the-secret-key"}


def test_backups_have_their_way_out_alone_and_run_after_the_database(
    registered, preview, tmp_path, monkeypatch
):
    exports = {}
    seen = run(registered, tmp_path, monkeypatch, exports, backup=BACKUP)
    on = {name for name, one in seen.items() if "id-of-backup" in str(one.inputs.get("networks"))}
    if not preview:
        assert on == {"database-service", "backup-job"}
    assert not seen["backup"].inputs.get("internal")
    assert "database-service" in reached(seen, "backup-job")
    assert seen["backup-schedule"].inputs["calendar"] == "*-*-* 03:00"
    assert "backup-job" in seen["backup-schedule"].dependencies
    for name in ("database", "backup"):
        for key in ("access-key", "secret-key"):
            assert "data" in seen[f"{name}-backup-{key}"].secrets
    everything = str([one.inputs for name, one in seen.items() if "-backup-" not in name])
    assert "the-secret-key" not in everything
    if not preview:
        made = "random-backup-passphrase"
        assert seen["database-backup-passphrase"].inputs["data"] == made
        assert seen["backup-backup-passphrase"].inputs["data"] == made
        assert "data" in seen["backup-backup-passphrase"].secrets


def test_a_passphrase_of_ones_own_is_used(registered, preview, tmp_path, monkeypatch):
    own = BACKUP | {"passphrase": "p" * 20}
    seen = run(registered, tmp_path, monkeypatch, backup=own)
    if not preview:
        assert seen["backup-backup-passphrase"].inputs["data"] == "p" * 20


def test_a_stack_that_reads_anothers_backups_writes_none(
    registered, preview, tmp_path, monkeypatch
):
    of = {"restoreOnly": True, "path": "/sophia-prod", "passphrase": "p" * 20}
    seen = run(registered, tmp_path, monkeypatch, backup=BACKUP | of)
    assert not {"backup-job", "backup-schedule", "backup-passphrase"} & set(seen)
    if not preview:
        assert seen["database-backup-passphrase"].inputs["data"] == "p" * 20


def test_a_database_of_ones_own_has_no_exporter(registered, preview, tmp_path, monkeypatch):
    own = {"url": "postgresql://me:the-db-password@db.example/memories"}
    seen = run(registered, tmp_path, monkeypatch, database=own, monitoring={"enabled": True})
    assert "prometheus-service" in seen
    assert not [name for name in seen if "database" in name and name.endswith("-service")]


def test_a_database_of_ones_own_is_checked_before_what_uses_it_and_none_is_made(
    registered, preview, tmp_path, monkeypatch
):
    url = "postgresql://me:the-db-password@db.example/memories"
    exports = {}
    seen = run(registered, tmp_path, monkeypatch, exports, database={"url": url})
    assert not {"database", "database-service", "database-password"} & set(seen)
    assert not [one for one in seen.values() if one.type.startswith("swarm:index:Volume")]
    assert "database-check-job" in reached(seen, "ai_memory-service")
    assert "database-check-job" in seen["database-check-schedule"].dependencies
    assert seen["ai_memory-memory-database-url"].inputs["data"] == url
    holders = ("ai_memory-memory-database-url", "database-check-address")
    for name in holders:
        assert "data" in seen[name].secrets
    others = str([one.inputs for name, one in seen.items() if name not in holders])
    assert "the-db-password" not in others


def test_without_backups_nothing_of_them_is_there(seen):
    assert not [name for name in seen if "backup" in name]


def test_a_standby_adds_a_member_elsewhere_a_quorum_and_a_job_and_changes_no_name(
    registered, tmp_path, monkeypatch, preview
):
    on = {"standby": {"enabled": True}, "backup": BACKUP, "monitoring": {"enabled": True}}
    seen = run(registered, tmp_path, monkeypatch, **on)
    added = {"database-2-service", "database-2-home", "database-2-volume", "backup-2-job"}
    assert added <= set(seen)
    assert {"database-service", "database-home", "database-volume", "backup-job"} <= set(seen)
    for machine in MACHINES:
        assert {"database-home", "database-2-home"} <= reached(seen, machine)
    assert "database-2-service" in reached(seen, "ai_memory-service")
    assert "database-2-service" in reached(seen, "database-2-exporter-service")
    if not preview:
        on_quorum = {
            name for name, one in seen.items() if "id-of-quorum" in str(one.inputs.get("networks"))
        }
        servers = {f"{name}-service" for name in ("etcd-1", "etcd-2", "etcd-3")}
        assert on_quorum == servers | {"database-service", "database-2-service"}
        (other,) = [seen["database-2-home"].inputs["candidates"]]
        first = seen["database-home"].inputs["candidates"]
        assert [one for one in first if one not in other], "the first one's home is left out"


def test_logs_are_shipped_once_there_is_a_store(
    registered, preview, exports, tmp_path, monkeypatch
):
    seen = run(registered, tmp_path, monkeypatch, exports, logs={"enabled": True})
    stores = {"logs-service", "audit-log-service"}
    assert stores <= reached(seen, "log-shipper-service")
    if not preview:
        for name in (*stores, "log-shipper-service"):
            assert seen[name].inputs["networks"] == ["id-of-logs-overlay"]
            assert "@sha256:" in seen[name].inputs["image"]
        mount = seen["log-shipper-service"].inputs["mounts"][0]
        assert (mount["readOnly"], mount["recursive"]) == (True, False)
        assert seen["log-shipper-service"].inputs["user"] == "0:0"
        assert seen["logs-overlay"].inputs["internal"] is True
        backend = seen["backend-service"].inputs
        assert "id-of-logs-overlay" in backend["networks"]
        assert set(exports["networks"]) >= {"logs", "audit-log", "log-shipper"}


def test_what_keeps_logs_is_there_before_it_is_watched(registered, tmp_path, monkeypatch):
    seen = run(registered, tmp_path, monkeypatch, logs={"enabled": True}, monitoring=WATCHED)
    assert {"logs-service", "log-shipper-service"} <= reached(seen, "prometheus-service")


def test_every_planned_workload_is_created(registered, preview, exports, tmp_path, monkeypatch):
    whole = {"standby": {"enabled": True}, "backup": BACKUP, "monitoring": WATCHED}
    seen = run(registered, tmp_path, monkeypatch, exports, logs={"enabled": True}, **whole)
    if not preview:
        created = {name.rpartition("-")[0] for name in seen if name.endswith(("-service", "-job"))}
        assert created == set(exports["networks"]) > {"backup-2", "log-shipper", "prometheus"}


def test_without_logs_there_is_nothing_of_them(seen):
    assert not [name for name in seen if "log-" in name or name.startswith("logs")]
