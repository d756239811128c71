"""The client against answers that an honest API never gives, over real HTTP."""

from __future__ import annotations

import datetime
import email.utils
import socket

import pytest

from providers.lambdalabs import errors
from providers.lambdalabs.client import LambdaClient
from providers.lambdalabs.models import Launch

LAUNCH = "POST /api/v1/instance-operations/launch"
TYPES = "GET /api/v1/instance-types"
WANTED = Launch(
    "node-1", "gpu_1x_a10", "us-east-1", "key", "gpu-base", "#cloud-config", {"a1": "b"}
)


@pytest.fixture
def client(script):
    return LambdaClient(script.url + "/", "key-1", connect_seconds=5, read_seconds=5)


def test_a_launch_sends_what_the_api_asks_for(script, client):
    script.on(LAUNCH, script.ok({"instance_ids": ["i-1"]}))
    assert client.launch(WANTED) == "i-1"
    [(_, body, headers)] = script.seen
    assert headers["Authorization"] == "Bearer key-1"
    assert body == {
        "name": "node-1+",
        "hostname": "node-1",
        "instance_type_name": "gpu_1x_a10",
        "region_name": "us-east-1",
        "ssh_key_names": ["key"],
        "image": {"family": "gpu-base"},
        "user_data": "#cloud-config",
        "tags": [{"key": "a1", "value": "b"}],
    }


def test_a_netrc_file_does_not_replace_the_key(script, client, tmp_path, monkeypatch):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login other password other\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    script.on(TYPES, script.ok({}))
    client.instance_types()
    assert script.seen[0][2]["Authorization"] == "Bearer key-1"


@pytest.mark.parametrize("answer", ["hang up", "hang"])
def test_an_answer_that_does_not_come_is_lost(script, answer):
    script.on(LAUNCH, answer)
    client = LambdaClient(script.url, "key-1", read_seconds=0.2)
    with pytest.raises(errors.LostAnswer, match="POST /instance-operations/launch"):
        client.launch(WANTED)
    assert script.calls(LAUNCH) == 1


def test_no_connection_means_that_nothing_was_sent():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    client = LambdaClient(f"http://127.0.0.1:{port}", "key-1")
    with pytest.raises(errors.Unreachable, match="refused"):
        client.launch(WANTED)


def test_an_unknown_host_means_that_nothing_was_sent():
    with pytest.raises(errors.Unreachable, match=r"no-such-host\.invalid"):
        LambdaClient("http://no-such-host.invalid", "key-1").machines()


@pytest.mark.parametrize(
    "body",
    [b"<html>maintenance</html>", b"", b"[]", b"null", b'{"data": 3}', b'{"data": {"x": {}}}'],
)
def test_an_unreadable_answer_is_lost_and_says_so(script, client, body):
    script.on(TYPES, (200, body, {}))
    with pytest.raises(errors.LostAnswer, match="unreadable answer") as raised:
        client.instance_types()
    assert raised.value.status == 200


def test_a_redirect_is_not_followed(script, client):
    script.on(LAUNCH, (302, b"", {"Location": "/elsewhere?token=secret"}))
    with pytest.raises(errors.Moved) as raised:
        client.launch(WANTED)
    assert "moved to http://127.0.0.1:" in str(raised.value)
    assert "secret" not in str(raised.value)
    assert [route for route, _, _ in script.seen] == [LAUNCH]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_says_what_to_set(script, client, status):
    location = "https://cloud.lambda.ai/api/v1/instance-types"
    script.on(TYPES, (status, b"<html>", {"Location": location}))
    with pytest.raises(errors.Moved) as raised:
        client.instance_types()
    text = str(raised.value)
    assert "moved to https://cloud.lambda.ai/api/v1 (" in text
    assert "set lambdaApiUrl or LAMBDA_API_URL to https://cloud.lambda.ai/api/v1" in text
    assert not isinstance(raised.value, errors.TRANSIENT)


def test_a_refusal_on_the_way_is_not_the_keys(script, client):
    script.on(TYPES, (403, b"<html>denied</html>", {"Content-Type": "text/html"}))
    with pytest.raises(errors.Blocked) as raised:
        client.instance_types()
    assert "403" in str(raised.value)
    assert "text/html" in str(raised.value)
    script.on(TYPES, script.fault(403, "global/account-inactive"))
    with pytest.raises(errors.Forbidden):
        client.instance_types()


def test_an_answer_that_is_no_json_is_told_by_its_type(script, client):
    script.on(TYPES, (200, b"<html>sign in</html>", {"Content-Type": "text/html"}))
    with pytest.raises(errors.LostAnswer, match=r"\(text/html\)") as raised:
        client.instance_types()
    assert "TypeError" not in str(raised.value)


OFFER = {
    "instance_type": {
        "name": "gpu_1x_a10",
        "description": "1x A10",
        "price_cents_per_hour": 75,
        "specs": {"vcpus": 30, "memory_gib": 200, "storage_gib": 1400, "gpus": 1},
    },
    "regions_with_capacity_available": [],
}


@pytest.mark.parametrize(
    "change", [{"price_cents_per_hour": None}, {"specs": {"vcpus": 1}}, {"name": None}]
)
def test_an_odd_offer_is_left_out_and_told(script, client, change):
    odd = OFFER | {"instance_type": OFFER["instance_type"] | change}
    script.on(TYPES, script.ok({"gpu_1x_a10": OFFER, "odd": odd}))
    offers = client.instance_types()
    assert [offer.name for offer in offers] == ["gpu_1x_a10"]
    assert len(offers.left_out) == 1


def test_an_odd_key_is_left_out_and_told(script, client):
    good = {"id": "k-1", "name": "one", "public_key": "ssh-ed25519 AAAA"}
    script.on("GET /api/v1/ssh-keys", script.ok([good, {"name": "two"}]))
    keys = client.ssh_keys()
    assert [key.id for key in keys] == ["k-1"]
    assert len(keys.left_out) == 1


def test_an_error_keeps_code_message_suggestion_and_status(script, client):
    script.on(LAUNCH, script.fault(400, "global/quota-exceeded"))
    with pytest.raises(errors.QuotaExceeded) as raised:
        client.launch(WANTED)
    error = raised.value
    assert (error.code, error.status) == ("global/quota-exceeded", 400)
    assert (error.message, error.suggestion) == ("About global/quota-exceeded", "Do this.")


def test_an_error_page_of_a_proxy_is_told_by_its_status(script, client):
    script.on(TYPES, (503, b"<html>", {"Retry-After": "7"}))
    with pytest.raises(errors.ServerFault) as raised:
        client.instance_types()
    assert (raised.value.status, raised.value.retry_after) == (503, 7.0)


def test_retry_after_may_be_a_date(script, client):
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=60)
    script.on(TYPES, (429, b"", {"Retry-After": email.utils.format_datetime(soon)}))
    with pytest.raises(errors.RateLimited) as raised:
        client.instance_types()
    assert raised.value.retry_after is not None
    assert 50 < raised.value.retry_after <= 60


def test_a_nonsense_retry_after_is_none(script, client):
    script.on(TYPES, (429, b"", {"Retry-After": "soon"}))
    with pytest.raises(errors.RateLimited) as raised:
        client.instance_types()
    assert raised.value.retry_after is None


def test_a_key_that_was_rotated_gives_way_to_the_spare_one(script):
    client = LambdaClient(script.url, "old", "new", connect_seconds=5, read_seconds=5)
    refusal = script.fault(401, "global/invalid-api-key")
    script.on("GET /api/v1/ssh-keys", refusal, script.ok([]), script.ok([]))
    assert client.ssh_keys() == []
    assert client.ssh_keys() == []
    keys = [headers["Authorization"] for _, _, headers in script.seen]
    assert keys == ["Bearer old", "Bearer new", "Bearer new"]


def test_a_page_that_says_404_is_not_the_apis_word(script, client):
    script.on("GET /api/v1/instances/i-1", (404, b"<html>no such page</html>", {}))
    with pytest.raises(errors.ApiError) as raised:
        client.machine("i-1")
    assert not isinstance(raised.value, errors.NotFound)
