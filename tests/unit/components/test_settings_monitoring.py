"""The setting `monitoring`: what is wrong with it is told at once, and never with a secret."""

from __future__ import annotations

import pytest

from components.plan.monitoring import Email
from tests.unit.components.samples import changed, check

HEARTBEAT = "https://hc-ping.com/nobody-may-see"
WEBHOOK = "https://hooks.slack.com/services/T0/B0/nobody-may-see"
EMAIL = {
    "smarthost": "smtp.example.com:587",
    "from": "sophia@example.com",
    "to": ["ops@example.com", "boss@example.com"],
    "username": "sophia",
    "password": "nobody-may-see",
}


def test_it_is_off_unless_it_is_wanted():
    settings, faults = check(changed())
    assert faults == []
    assert settings.monitoring.enabled is False
    assert settings.monitoring.email is None
    assert settings.monitoring.gpu_exporter == ""
    assert settings.monitoring.max_usd_per_month == 0
    assert settings.monitoring.runbooks == ""


def test_all_of_it():
    image = f"nvcr.io/nvidia/k8s/dcgm-exporter:4@sha256:{64 * 'a'}"
    pages = "https://github.com/example/sophia/blob/main"
    given = {"enabled": True, "slack": WEBHOOK, "email": EMAIL, "runbooks": pages}
    given |= {"gpuExporter": image, "maxUsdPerMonth": 1500, "heartbeat": HEARTBEAT}
    settings, faults = check(changed(monitoring=given))
    assert faults == []
    assert settings.monitoring.gpu_exporter == image
    assert settings.monitoring.max_usd_per_month == 1500
    assert settings.monitoring.slack.reveal() == WEBHOOK
    assert settings.monitoring.heartbeat.reveal() == HEARTBEAT
    assert settings.monitoring.email == Email(
        "smtp.example.com:587",
        "sophia@example.com",
        ("ops@example.com", "boss@example.com"),
        "sophia",
    )
    assert settings.monitoring.password.reveal() == "nobody-may-see"
    assert settings.monitoring.runbooks == pages


def test_a_mail_server_may_ask_for_no_password():
    email = {key: EMAIL[key] for key in ("smarthost", "from", "to")}
    settings, faults = check(changed(monitoring={"enabled": True, "email": email}))
    assert faults == []
    assert settings.monitoring.email.username == ""


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("nobody-may-see", ["sophia:monitoring: got a str (not shown), expected a mapping of"]),
        ({"enable": True}, ["sophia:monitoring.enable: got an unknown key, expected one of"]),
        (
            {"enabled": "yes", "slack": "http://nobody-may-see/x"},
            [
                "sophia:monitoring.enabled: got 'yes', expected true or false",
                "sophia:monitoring.slack: got a str (not shown), expected the address of a Slack",
            ],
        ),
        (
            {"heartbeat": "hc-ping.com/nobody-may-see"},
            ["sophia:monitoring.heartbeat: got a str (not shown), expected an address that takes"],
        ),
        (
            {"runbooks": "docs/"},
            ["sophia:monitoring.runbooks: got 'docs/', expected an address such as https://github"],
        ),
        (
            {"email": {"smarthost": "smtp.example.com", "to": ["ops"], "password": "nobody-may"}},
            [
                "sophia:monitoring.email.smarthost: got 'smtp.example.com', expected a mail serv",
                "sophia:monitoring.email.from: got nothing, expected an address such as",
                "sophia:monitoring.email.to[0]: got 'ops', expected an address such as",
                "sophia:monitoring.email.username: got nothing, expected a text, as there is",
            ],
        ),
        (
            {"email": {**EMAIL, "password": ""}},
            ["sophia:monitoring.email.password: got nothing, expected a text, as there is"],
        ),
    ],
)
def test_what_is_wrong_is_told_at_once(given, told):
    _, faults = check(changed(monitoring=given))
    assert [fault[: len(begin)] for fault, begin in zip(faults, told, strict=True)] == told
    assert "nobody-may" not in " ".join(faults)


def test_its_network_needs_room_only_where_it_is_on():
    overlay = {"addressPools": ["10.200.0.0/23", "10.201.0.0/24"], "subnetSize": 24}
    assert check(changed(overlay=overlay))[1] == []
    _, faults = check(changed(overlay=overlay, monitoring={"enabled": True}))
    assert [fault.partition(";")[0] for fault in faults] == [
        "sophia:overlay.addressPools: got room for 3 networks of /24, expected room for 4"
        " (Swarm's ingress, and the networks services and data and monitoring)"
    ]
