"""The API over real HTTP. The client checks each answer against the OpenAPI document."""

import base64
import ipaddress
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.support.polling import until

TERMINATED = "global/object-does-not-exist"


@pytest.mark.parametrize(
    "header",
    [
        "Bearer {key}",
        "bearer {key}",
        "Basic {key}",
        "Basic {encoded}",
    ],
)
def test_both_schemes_are_taken(client, header):
    key = client.cloud.api_key
    encoded = base64.b64encode(f"{key}:".encode()).decode()
    value = header.format(key=key, encoded=encoded)
    answer = requests.get(client.cloud.url + "/ssh-keys", headers={"Authorization": value})
    assert answer.status_code == 200


@pytest.mark.parametrize("header", [None, "", "Bearer wrong", "Basic d3Jvbmc6", "Token {key}"])
def test_other_credentials_are_refused(client, schemas, header):
    headers = {}
    if header is not None:
        headers["Authorization"] = header.format(key=client.cloud.api_key)
    for path in ("/api/v1/instances", "/_control/instances", "/api/v1/nowhere"):
        answer = requests.get(client.cloud.settings.origin + path, headers=headers)
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "global/invalid-api-key"


def test_what_is_offered(client):
    _, types = client.call("GET", "/instance-types")
    regions = {r["name"] for r in types["gpu_1x_a10"]["regions_with_capacity_available"]}
    assert "us-east-1" in regions
    assert types["gpu_8x_h100_sxm5"]["instance_type"]["specs"]["gpus"] == 8
    assert types["gpu_4x_h100_sxm5"]["regions_with_capacity_available"] == []
    _, images = client.call("GET", "/images")
    assert "lambda-stack-24-04" in {image["family"] for image in images}
    assert len({image["id"] for image in images}) == len(images)
    assert client.call("GET", "/file-systems") == (200, [])


def test_keys_are_added_listed_and_deleted(client):
    body = {"name": "other", "public_key": "ssh-ed25519 AAAAC3 somebody\n"}
    _, key = client.call("POST", "/ssh-keys", body)
    assert key["public_key"] == "ssh-ed25519 AAAAC3 somebody"
    assert "private_key" not in key
    _, listed = client.call("GET", "/ssh-keys")
    assert key in listed
    path = f"/ssh-keys/{key['id']}"
    assert client.call("DELETE", path, as_path="/ssh-keys/{id}") == (200, {})
    assert key not in client.call("GET", "/ssh-keys")[1]


def test_a_key_pair_is_made_when_none_is_given(client):
    _, key = client.call("POST", "/ssh-keys", {"name": "made"})
    assert key["private_key"].startswith("-----BEGIN RSA PRIVATE KEY-----")
    assert key["public_key"].startswith("ssh-rsa ")
    assert "private_key" not in client.call("GET", "/ssh-keys")[1][-1]


def post(client, path, body):
    """For answers whose code the document leaves out."""
    headers = {"Authorization": f"Bearer {client.cloud.api_key}"}
    answer = requests.post(client.cloud.url + path, json=body, headers=headers)
    return answer.status_code, answer.json()["error"]["code"]


def test_a_name_is_given_to_one_key_only(client):
    refused = post(client, "/ssh-keys", {"name": "key", "public_key": "ssh-ed25519 AAAA"})
    assert refused == (400, "global/duplicate")


def test_a_key_in_use_stays(client):
    client.launched()
    key = client.call("GET", "/ssh-keys")[1][0]
    headers = {"Authorization": f"Bearer {client.cloud.api_key}"}
    answer = requests.delete(f"{client.cloud.url}/ssh-keys/{key['id']}", headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "ssh-keys/key-in-use")


@pytest.mark.parametrize(
    "change",
    [
        {"region_name": "us-nowhere-1"},
        {"region_name": None},
        {"instance_type_name": 7},
        {"ssh_key_names": []},
        {"ssh_key_names": ["key", "key"]},
        {"ssh_key_names": "key"},
        {"quantity": 2},
        {"name": "n" * 65},
        {"hostname": "Not_A_Host"},
        {"user_data": "x" * (1024 * 1024 + 1)},
        {"tags": [{"key": "Upper", "value": "v"}]},
        {"tags": [{"key": "project"}]},
        {"tags": {"project": "sophia"}},
        {"image": {"name": "ubuntu"}},
        *(
            {key: empty}
            for key in ("tags", "file_system_mounts", "firewall_rulesets")
            for empty in ("", {})
        ),
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_launch_with_a_bad_parameter_is_refused(client, change):
    status, error = client.launch(**change)
    assert (status, error["code"]) == (400, "global/invalid-parameters")
    assert next(iter(change)) in error["message"]
    assert client.call("GET", "/instances") == (200, [])


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"instance_type_name": "gpu_9x"}, 400),
        ({"ssh_key_names": ["nobody"]}, 404),
        ({"image": {"family": "windows"}}, 404),
        ({"image": {"id": "no-such-image"}}, 404),
        ({"file_system_names": ["data"]}, 404),
        ({"firewall_rulesets": [{"id": "none"}]}, 404),
    ],
)
def test_a_launch_with_something_that_does_not_exist_is_refused(client, change, status):
    got, error = client.launch(**change)
    assert (got, error["code"]) == (status, "global/object-does-not-exist")


def test_a_body_that_is_no_object_is_refused(client):
    for body in ([], "launch", 3):
        status, error = client.call("POST", "/instance-operations/launch", body)
        assert (status, error["code"]) == (400, "global/invalid-parameters")


def test_unknown_addresses_and_methods(client):
    headers = {"Authorization": f"Bearer {client.cloud.api_key}"}
    assert requests.get(f"{client.cloud.url}/nowhere", headers=headers).status_code == 404
    assert requests.put(f"{client.cloud.url}/instances", headers=headers).status_code == 405


def test_the_life_of_an_instance(start):
    with start(boot_seconds=0.4, terminate_seconds=0.2, remember_seconds=0.2) as client:
        tags = [{"key": "project", "value": "sophia"}]
        identity = client.launched(name="Node One", tags=tags, image={"family": "gpu-base-24-04"})
        shown = client.instance(identity)[1]
        assert shown["status"] == "booting"
        assert "ip" not in shown
        assert shown["actions"]["restart"]["reason_code"] == "vm-has-not-launched"
        assert (shown["name"], shown["hostname"]) == ("Node One", "node-one")
        assert (shown["tags"], shown["ssh_key_names"]) == (tags, ["key"])
        early = until(lambda: client.instance(identity)[1], lambda one: "ip" in one, "an address")
        assert early["ip"] != early["private_ip"]
        assert ipaddress.ip_address(early["private_ip"]).is_private
        active = until(
            lambda: client.instance(identity)[1], lambda one: one["status"] == "active", "active"
        )
        assert active["ip"] == early["ip"]
        assert client.call("GET", "/instances") == (200, [active])

        status, data = client.terminate(identity)
        assert (status, data["terminated_instances"][0]["status"]) == (200, "terminating")
        assert client.terminate(identity)[0] == 200
        until(lambda: client.call("GET", "/instances")[1], lambda all: all == [], "an empty list")
        until(lambda: client.instance(identity)[0], lambda status: status == 404, "forgotten")
        assert client.terminate(identity)[1]["code"] == TERMINATED


def test_a_terminated_instance_is_remembered_by_id_but_not_listed(client):
    identity = client.launched()
    client.terminate(identity)
    until(lambda: client.instance(identity)[1]["status"], lambda s: s == "terminated", "terminated")
    assert client.call("GET", "/instances") == (200, [])


def test_terminate_is_all_or_nothing(client):
    identity = client.launched()
    assert client.terminate(identity, "nobody")[0] == 404
    assert client.instance(identity)[1]["status"] in ("booting", "active")


def test_an_instance_is_renamed_and_restarted(client):
    identity = client.launched(name="before")
    path = f"/instances/{identity}"
    assert client.call("POST", path, {"name": "after"}, as_path="/instances/{id}")[0] == 200
    until(lambda: client.instance(identity)[1]["status"], lambda s: s == "active", "active")
    body = {"instance_ids": [identity]}
    _, data = client.call("POST", "/instance-operations/restart", body)
    assert data["restarted_instances"][0]["name"] == "after"


def test_an_instance_that_boots_is_not_restarted(start):
    with start(boot_seconds=60) as client:
        identity = client.launched()
        shown = client.instance(identity)[1]["actions"]["restart"]
        assert shown["available"] is False
        refused = post(client, "/instance-operations/restart", {"instance_ids": [identity]})
        assert refused == (400, "global/invalid-parameters")


def test_addresses_are_not_given_again_while_others_are_free(client):
    seen = set()
    for _ in range(5):
        identity = client.launched()
        shown = until(lambda: client.instance(identity)[1], lambda one: "ip" in one, "an address")  # noqa: B023
        seen.add(shown["ip"])
        client.terminate(identity)
    assert len(seen) == 5


def test_launches_at_once_get_different_addresses(client):
    with ThreadPoolExecutor(8) as pool:
        identities = list(pool.map(lambda _: client.launched(name="same"), range(16)))
    known = client.cloud.control("GET", "/instances")
    assert {one["id"] for one in known} == set(identities)
    assert len({one["ip"] for one in known}) == 16
    assert len({one["title"] for one in known}) == 16
