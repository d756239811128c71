"""Firewall rules and rulesets over real HTTP; answers are checked against the OpenAPI document."""

import json

import pytest
import requests

from simulator import server
from simulator.account import Account
from tests.support.polling import until

SSH = {
    "protocol": "tcp",
    "port_range": [22, 22],
    "source_network": "192.0.2.0/24",
    "description": "ssh",
}
PING = {"protocol": "icmp", "source_network": "192.0.2.7", "description": ""}
RULESET = {"name": "of a test", "region": "us-east-1", "rules": [SSH, PING]}


def one(client, method, identity, body=None):
    return client.call(
        method, f"/firewall-rulesets/{identity}", body, as_path="/firewall-rulesets/{id}"
    )


def created(client, **changes):
    status, made = client.call("POST", "/firewall-rulesets", RULESET | changes)
    assert status == 200, made
    return made


def refused(client, method, path, body):
    """For answers whose status the document leaves out."""
    headers = {"Authorization": f"Bearer {client.cloud.api_key}"}
    answer = requests.request(method, client.cloud.url + path, json=body, headers=headers)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["code"] == "global/invalid-parameters"
    return error["message"]


def test_the_life_of_a_ruleset(client):
    assert client.call("GET", "/firewall-rulesets") == (200, [])
    made = created(client)
    assert (made["name"], made["region"]["name"]) == ("of a test", "us-east-1")
    assert (made["rules"], made["instance_ids"]) == ([SSH, PING], [])
    assert one(client, "GET", made["id"]) == (200, made)
    renamed = one(client, "PATCH", made["id"], {"name": "another"})
    assert renamed == (200, made | {"name": "another"})
    assert one(client, "PATCH", made["id"], {"rules": []})[1]["rules"] == []
    assert client.call("GET", "/firewall-rulesets")[1][0]["name"] == "another"
    assert one(client, "DELETE", made["id"]) == (200, {})
    for method, body in (("GET", None), ("PATCH", {"rules": []}), ("DELETE", None)):
        status, error = one(client, method, made["id"], body)
        assert (status, error["code"]) == (404, "global/object-does-not-exist")


def test_global_rules_are_the_same_by_either_address(client):
    path = "/firewall-rulesets/global"
    usual = client.call("GET", path)[1]
    assert [rule.get("port_range") for rule in usual["rules"]] == [[22, 22], None]
    assert client.call("GET", "/firewall-rules") == (200, usual["rules"])
    assert client.call("PATCH", path, {"rules": [SSH]})[1]["rules"] == [SSH]
    assert client.call("PATCH", path, {})[1]["rules"] == [SSH]
    assert client.call("PUT", "/firewall-rules", {"data": [PING]}) == (200, [PING])
    assert client.call("GET", path)[1]["rules"] == [PING]
    assert client.call("GET", "/firewall-rulesets") == (200, [])


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"protocol": "esp"}, "protocol"),
        ({"protocol": None}, "protocol"),
        ({"port_range": None}, "port_range"),
        ({"protocol": "all", "port_range": None}, "port_range"),
        ({"protocol": "icmp"}, "port_range"),
        ({"port_range": [22]}, "port_range"),
        ({"port_range": [0, 22]}, "port_range"),
        ({"port_range": [23, 22]}, "port_range"),
        ({"port_range": [22, 65536]}, "port_range"),
        ({"port_range": ["22", "22"]}, "port_range"),
        ({"source_network": "anywhere"}, "source_network"),
        ({"source_network": "2001:db8::/32"}, "source_network"),
        ({"source_network": "192.0.2.1/24"}, "source_network"),
        ({"description": None}, "description"),
        ({"description": "d" * 129}, "description"),
    ],
)
def test_a_bad_rule_is_refused_everywhere(client, change, key):
    rules = [PING, SSH | change]
    made = created(client)
    for method, path, body in (
        ("POST", "/firewall-rulesets", RULESET | {"rules": rules}),
        ("PATCH", f"/firewall-rulesets/{made['id']}", {"rules": rules}),
        ("PATCH", "/firewall-rulesets/global", {"rules": rules}),
        ("PUT", "/firewall-rules", {"data": rules}),
    ):
        assert key in refused(client, method, path, body)
    assert client.call("GET", "/firewall-rulesets")[1] == [made]


@pytest.mark.parametrize(
    "change",
    [
        {"name": "n" * 65},
        {"name": None},
        {"region": "us-nowhere-1"},
        {"rules": ""},
        {"rules": None},
    ],
)
def test_a_bad_ruleset_is_refused(client, change):
    status, error = client.call("POST", "/firewall-rulesets", RULESET | change)
    assert (status, error["code"]) == (400, "global/invalid-parameters")
    assert next(iter(change)) in error["message"]


def test_one_region_has_no_firewall(client):
    """API document: "Firewall rules do not apply to the us-south-1 region"."""
    status, error = client.call("POST", "/firewall-rulesets", RULESET | {"region": "us-south-1"})
    assert (status, error["code"]) == (400, "global/invalid-parameters")
    there = {"region_name": "us-south-1", "instance_type_name": "gpu_1x_a6000"}
    status, error = client.launch(**there, firewall_rulesets=[{"id": created(client)["id"]}])
    assert (status, error["code"]) == (400, "global/invalid-parameters")
    assert "us-south-1 has no firewall rulesets" in error["message"]


def test_a_ruleset_of_an_instance_can_not_be_deleted(client):
    made = created(client)
    identity = client.launched(firewall_rulesets=[{"id": made["id"]}])
    assert client.instance(identity)[1]["firewall_rulesets"] == [{"id": made["id"]}]
    assert one(client, "GET", made["id"])[1]["instance_ids"] == [identity]
    status, error = one(client, "DELETE", made["id"])
    assert (status, error["code"]) == (400, "firewall-rulesets/firewall-ruleset-in-use")
    client.terminate(identity)
    until(lambda: one(client, "DELETE", made["id"])[0], lambda status: status == 200, "deleted")


def test_a_launch_takes_rulesets_of_its_own_region_only(client):
    elsewhere = created(client, region="us-west-1")
    status, error = client.launch(firewall_rulesets=[{"id": elsewhere["id"]}])
    assert (status, error["code"]) == (400, "global/invalid-parameters")
    assert "is in us-west-1" in error["message"]
    assert client.call("GET", "/instances") == (200, [])


def test_rules_outlive_the_server(start):
    with start() as client:
        made = created(client)
        client.call("PUT", "/firewall-rules", {"data": [PING]})
    with start() as client:
        assert one(client, "GET", made["id"]) == (200, made)
        assert client.call("GET", "/firewall-rules") == (200, [PING])


@pytest.fixture
def heard(monkeypatch):
    """The descriptions of the rules that machines were told, in turn."""
    heard = []
    protect = Account._protect

    def listen(account, instance):
        rules = account.firewalls.rules_for(instance)
        heard.append(rules and [rule.description for rule in rules])
        protect(account, instance)

    monkeypatch.setattr(Account, "_protect", listen)
    return heard


def test_machines_hear_of_their_rules_when_they_boot_and_when_the_rules_change(client, heard):
    client.call("PUT", "/firewall-rules", {"data": [PING | {"description": "global"}]})
    made = created(client)
    identity = client.launched(firewall_rulesets=[{"id": made["id"]}])
    until(lambda: client.instance(identity)[1]["status"], lambda s: s == "active", "active")
    assert heard == [["global", "ssh", ""]]
    one(client, "PATCH", made["id"], {"rules": []})
    assert heard[1:] == [["global"]]
    client.call("PATCH", "/firewall-rulesets/global", {"rules": []})
    assert heard[2:] == [[]]
    open_one = client.launched(region_name="us-south-1", instance_type_name="cpu_4x_general")
    until(lambda: client.instance(open_one)[1]["status"], lambda s: s == "active", "active")
    assert heard[3:] == [None]


def test_a_server_that_was_killed_tells_its_machines_what_they_may_have_missed(start, heard):
    with start(boot_seconds=0) as client:
        client.call("PUT", "/firewall-rules", {"data": [PING | {"description": "global"}]})
        identity = client.launched()
        until(lambda: client.instance(identity)[1]["status"], lambda s: s == "active", "active")
    heard.clear()
    with start(boot_seconds=0):
        until(lambda: heard, lambda told: told == [["global"]], "its rules")


def test_a_machine_of_an_older_simulator_has_one_address_and_no_firewall(start, tmp_path, heard):
    with start(boot_seconds=0) as client:
        identity = client.launched()
        until(lambda: client.instance(identity)[1]["status"], lambda s: s == "active", "active")
    state = server.state_path(tmp_path)
    older = json.loads(state.read_text())
    del older["instances"][0]["private_ip"], older["rulesets"], older["global_rules"]
    state.write_text(json.dumps(older))
    heard.clear()
    with start(boot_seconds=0) as client:
        shown = client.instance(identity)[1]
        assert shown["private_ip"] == shown["ip"]
        until(lambda: heard, lambda told: told == [None], "that nothing is kept out")
