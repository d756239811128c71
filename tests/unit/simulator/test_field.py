"""Behaviour of the real API that the OpenAPI document doesn't mention: limits, faults, crashes."""

import pytest
import requests

from simulator import urls
from simulator.exceptions import SimulatorError
from tests.support.polling import until


def get(client, path="/instances"):
    headers = {"Authorization": f"Bearer {client.cloud.api_key}"}
    return requests.get(client.cloud.url + path, headers=headers, timeout=10)


def test_calls_that_come_too_early_are_refused(start):
    with start() as client:
        assert {get(client).status_code for _ in range(20)} == {200}
    with start(requests_per_second=0.01) as client:
        # The fixture's own call was let through.
        refused = [get(client) for _ in range(4)]
        assert {answer.status_code for answer in refused} == {429}
        assert ["Retry-After" in answer.headers for answer in refused] == [True, False] * 2
        assert 1 <= int(refused[0].headers["Retry-After"]) <= 100


def test_launches_have_a_limit_of_their_own(start):
    with start(launch_interval=60) as client:
        client.launched()
        body = {"region_name": "us-east-1"}
        headers = {"Authorization": f"Bearer {client.cloud.api_key}"}
        url = f"{client.cloud.url}/instance-operations/launch"
        assert requests.post(url, json=body, headers=headers).status_code == 429
        assert get(client).status_code == 200


def test_capacity_is_used_up(client):
    where = {"instance_type": "gpu_4x_h100_sxm5", "region": "us-west-1"}
    body = {"instance_type_name": "gpu_4x_h100_sxm5", "region_name": "us-west-1"}
    client.cloud.control("PUT", "/capacity", count=1, **where)
    offered = client.call("GET", "/instance-types")[1]["gpu_4x_h100_sxm5"]
    assert [r["name"] for r in offered["regions_with_capacity_available"]] == ["us-west-1"]
    client.launched(**body)
    status, error = client.launch(**body)
    assert status == 400
    assert error["code"] == "instance-operations/launch/insufficient-capacity"
    offered = client.call("GET", "/instance-types")[1]["gpu_4x_h100_sxm5"]
    assert offered["regions_with_capacity_available"] == []


def test_the_quota(start):
    with start(quota=1) as client:
        identity = client.launched()
        assert client.launch()[1]["code"] == "global/quota-exceeded"
        client.terminate(identity)
        until(lambda: client.launch()[0], lambda status: status == 200, "room for another")


def test_a_launch_fails_as_told_and_as_often(client):
    code = "instance-operations/launch/insufficient-capacity"
    client.cloud.control(
        "POST", "/faults", operation="launchInstance", effect="error", status=400, code=code,
        times=2,
    )  # fmt: skip
    assert [client.launch()[0] for _ in range(3)] == [400, 400, 200]


@pytest.mark.parametrize(("effect", "left"), [("lost-answer", 1), ("lost-request", 0)])
def test_an_answer_is_lost(client, effect, left):
    client.cloud.control("POST", "/faults", operation="launchInstance", effect=effect)
    with pytest.raises(requests.ConnectionError):
        client.launch()
    assert len(client.call("GET", "/instances")[1]) == left


@pytest.mark.parametrize("fate", ["unhealthy", "preempted"])
def test_a_machine_meets_its_fate(client, fate):
    identity = client.launched()
    client.cloud.control("POST", f"/instances/{identity}", status=fate)
    assert client.instance(identity)[1]["status"] == fate
    assert client.call("GET", "/instances")[1][0]["status"] == fate
    client.terminate(identity)
    until(lambda: client.call("GET", "/instances")[1], lambda all: all == [], "an empty list")


def test_a_machine_without_power_is_unhealthy_until_it_is_restarted(client):
    identity = client.launched()
    client.cloud.control("POST", f"/instances/{identity}/power-off")
    assert client.instance(identity)[1]["status"] == "unhealthy"
    client.call("POST", "/instance-operations/restart", {"instance_ids": [identity]})
    until(lambda: client.instance(identity)[1]["status"], lambda s: s == "active", "active again")


def test_calls_are_counted(client):
    client.cloud.control("DELETE", "/calls")
    get(client), get(client), client.launched()
    assert client.cloud.control("GET", "/calls") == {"listInstances": 2, "launchInstance": 1}


FAULT = {"operation": "launchInstance", "effect": "error"}
PLACE = {"instance_type": "gpu_1x_a10", "region": "us-east-1", "count": 1}


@pytest.mark.parametrize(
    ("method", "path", "body", "key"),
    [
        ("POST", "/faults", FAULT | {"effect": "explode"}, "effect"),
        ("POST", "/faults", FAULT | {"effect": ["error"]}, "effect"),
        ("POST", "/faults", {"effect": "error"}, "operation"),
        ("POST", "/faults", FAULT | {"operation": "noSuch"}, "operation"),
        ("POST", "/faults", FAULT | {"operation": []}, "operation"),
        ("POST", "/faults", FAULT | {"often": 2}, "often"),
        *(
            ("POST", "/faults", FAULT | {"times": bad}, "times")
            for bad in ("two", 1.5, -1, 0, True)
        ),
        *(("POST", "/faults", FAULT | {"status": bad}, "status") for bad in (99999, "abc", 200)),
        ("POST", "/faults", FAULT | {"code": 7}, "code"),
        ("PUT", "/capacity", PLACE | {"instance_type": ["a"]}, "instance_type"),
        ("PUT", "/capacity", PLACE | {"region": {}}, "region"),
        ("PUT", "/capacity", PLACE | {"count": "1"}, "count"),
        ("PUT", "/capacity", PLACE | {"count": -1}, "count"),
        ("PUT", "/capacity", {"instance_type": "gpu_1x_a10", "region": "us-east-1"}, "count"),
        ("PUT", "/capacity", PLACE | {"region": "us-nowhere-1"}, "us-nowhere-1"),
        ("PUT", "/knobs", {"boots": 1}, "boots"),
        *(("PUT", "/knobs", {"quota": bad}, "quota") for bad in (-1, 1.5, "2", True, None)),
        *(("PUT", "/knobs", {"boot_seconds": bad}, "boot_seconds") for bad in (-0.1, "1", None)),
        ("POST", "/instances/nobody", {"status": "sleepy"}, "status"),
        ("POST", "/instances/nobody", {"boot_seconds": 99}, "boot_seconds"),
        ("POST", "/instances/nobody", {"reason": "none"}, "status"),
    ],
)
def test_what_a_test_asks_for_must_make_sense(client, method, path, body, key):
    with pytest.raises(SimulatorError, match=f"400 .*invalid-parameters.*{key}"):
        client.cloud.control(method, path, **body)
    assert client.cloud.control("GET", "/faults") == []


def test_a_knob_is_changed_at_once_and_nothing_else_is(client):
    fault = {"operation": "listInstances", "effect": "error", "status": 503}
    client.cloud.control("POST", "/faults", **fault)
    client.cloud.control("PUT", "/capacity", **PLACE)
    before = client.cloud.control("GET", "/knobs")
    client.cloud.control("PUT", "/knobs", quota=1, boot_seconds=60)
    assert client.cloud.control("GET", "/knobs") == before | {"quota": 1, "boot_seconds": 60}
    identity = client.launched()
    assert client.launch()[1]["code"] == "global/quota-exceeded"
    client.cloud.control("PUT", "/knobs", quota=0)
    assert client.launch()[1]["code"].endswith("insufficient-capacity"), "one place was left"
    assert client.instance(identity)[1]["status"] == "booting"
    client.cloud.control("PUT", "/knobs", boot_seconds=0)
    assert get(client).status_code == 503
    [one] = get(client).json()["data"]
    assert one["status"] == "active"
    client.cloud.control("PUT", "/knobs", requests_per_second=0.01)
    assert get(client).status_code == 429
    client.cloud.control("PUT", "/knobs", requests_per_second=0)
    assert get(client).status_code == 200


def test_faults_that_are_left_can_be_seen_and_taken_back(client):
    fault = {"operation": "listInstances", "effect": "error", "status": 503}
    client.cloud.control("POST", "/faults", **fault, times=2)
    assert get(client).status_code == 503
    [left] = client.cloud.control("GET", "/faults")
    assert (left["operation"], left["effect"]) == ("listInstances", "error")
    client.cloud.control("DELETE", "/faults")
    assert get(client).status_code == 200


def test_a_call_that_comes_too_early_leaves_the_fault_to_the_next(start):
    with start():
        pass  # the fixture registers a key, which needs more than one call
    with start(requests_per_second=2) as client:
        fault = {"operation": "listInstances", "effect": "error", "status": 503}
        client.cloud.control("POST", "/faults", **fault)
        # The fixture's own call was just let through.
        assert get(client).status_code == 429
        in_time = until(lambda: get(client).status_code, lambda code: code != 429, "a call in time")
        assert in_time == 503


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/filesystems"), ("DELETE", "/filesystems/x"), ("GET", "/audit-events")],
)
def test_what_the_simulator_lacks_is_not_called_a_missing_object(client, method, path):
    headers = {"Authorization": f"Bearer {client.cloud.api_key}"}
    answer = requests.request(method, client.cloud.url + path, headers=headers, timeout=10)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (501, "simulator/not-implemented")


def test_every_operation_of_the_document_has_an_address(document):
    operations = {
        operation["operationId"]
        for path in document["paths"].values()
        for operation in path.values()
    }
    assert operations == set(urls.HANDLERS)


def test_an_address_of_nobody_is_not_called_a_missing_object(client):
    answer = get(client, "/nowhere")
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (404, "simulator/no-such-address")


def test_the_account_survives_its_server(start):
    with start(boot_seconds=0) as client:
        identity = client.launched(name="survivor", user_data="#cloud-config")
        url, key = client.cloud.url, client.cloud.api_key
    with start(boot_seconds=0) as client:
        assert (client.cloud.url, client.cloud.api_key) == (url, key)
        assert client.instance(identity)[1]["name"] == "survivor"
        first = client.instance(identity)[1]["ip"]
        other = client.launched()
        shown = until(lambda: client.instance(other)[1], lambda one: "ip" in one, "an address")
        assert shown["ip"] != first


def test_a_termination_goes_on_after_a_crash(start, tmp_path):
    with start() as client:
        identity = client.launched()
    path = tmp_path / "state.json"
    path.write_text(path.read_text().replace('"running"', '"terminating"'))
    with start() as client:
        until(
            lambda: client.instance(identity)[1]["status"],
            lambda status: status == "terminated",
            "terminated",
        )


def test_addresses_start_over_at_the_end_and_skip_those_in_use(start, tmp_path):
    with start() as client:
        client.launched()
        first = client.cloud.control("GET", "/instances")[0]["ip"]
    path = tmp_path / "state.json"
    path.write_text(path.read_text().replace('"last_host": 10', '"last_host": 250'))
    with start() as client:
        client.launched()
        second = client.cloud.control("GET", "/instances")[1]["ip"]
    assert (first.rsplit(".")[-1], second.rsplit(".")[-1]) == ("10", "11")
