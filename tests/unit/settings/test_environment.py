"""What the environment adds to configuration, and how the engine's texts are read."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pulumi
import pytest

from components import settings
from components.catalog.loader import Catalog
from components.settings_model import SettingsError
from providers.lambdalabs import slots
from providers.lambdalabs.pacer import Pacer

ENVIRONMENT = {
    "LAMBDA_API_URL": "http://127.0.0.1:1/api/v1",
    "LAMBDA_API_KEY": "key",
    "SOPHIA_REGISTRY_SERVER": "registry.example:5000",
    "SOPHIA_REGISTRY_USERNAME": "user",
    "SOPHIA_REGISTRY_PASSWORD": "password",
    "SOPHIA_BASE_IMAGE": "local/base:1",
}


def test_configuration_is_decoded_but_texts_stay_texts():
    given = {"lambdaApiKey": "12", "gatewayPort": "443", "servers": '["a"]', "overlay": "{broken"}
    assert settings.decoded(given) == {
        "lambdaApiKey": "12",
        "gatewayPort": 443,
        "servers": ["a"],
        "overlay": "{broken",
    }


def test_the_environment_completes_what_is_absent_or_empty(tmp_path):
    ca = tmp_path / "ca.pem"
    ca.write_text("-----BEGIN CERTIFICATE-----")
    values = settings.with_environment(
        {"lambdaApiUrl": "", "registry": {}}, {**ENVIRONMENT, "SOPHIA_REGISTRY_CA": str(ca)}, []
    )
    assert values["lambdaApiUrl"] == "http://127.0.0.1:1/api/v1"
    assert values["baseImage"] == "local/base:1"
    assert values["registry"] == {
        "server": "registry.example:5000",
        "username": "user",
        "password": "password",
        "ca": "-----BEGIN CERTIFICATE-----",
    }


@pytest.mark.parametrize(
    ("configured", "given", "expected"),
    [({}, "false", False), ({}, "true", True), ({"encrypted": True}, "false", True)],
)
def test_the_environment_says_whether_the_kernel_can_encrypt(configured, given, expected):
    overlay = {"addressPools": ["10.200.0.0/16"], **configured}
    environment = {**ENVIRONMENT, "SOPHIA_OVERLAY_ENCRYPTED": given}
    values = settings.with_environment({"overlay": overlay}, environment, [])
    assert values["overlay"] == {**overlay, "encrypted": expected}


def test_credentials_are_not_sent_to_another_address():
    values = settings.with_environment(
        {"lambdaApiUrl": "https://cloud.lambda.ai/api/v1", "registry": {"server": "ghcr.io"}},
        ENVIRONMENT,
        [],
    )
    assert "lambdaApiKey" not in values
    assert values["registry"] == {"server": "ghcr.io"}


def test_a_key_alone_completes_the_configured_address():
    values = settings.with_environment(
        {"lambdaApiUrl": "https://cloud.lambda.ai/api/v1", "registry": {"server": "ghcr.io"}},
        {"LAMBDA_API_KEY": "key", "SOPHIA_REGISTRY_PASSWORD": "password"},
        [],
    )
    assert values["lambdaApiKey"] == "key"
    assert values["registry"] == {"server": "ghcr.io", "password": "password"}


def test_an_unreadable_ca_is_a_fault(tmp_path):
    faults = []
    settings.with_environment({}, {"SOPHIA_REGISTRY_CA": str(tmp_path / "none")}, faults)
    assert [fault.key for fault in faults] == ["SOPHIA_REGISTRY_CA"]


@pytest.fixture
def configured(monkeypatch, tmp_path):
    """Sets the stack's configuration as the engine hands it over."""
    for name in [*ENVIRONMENT, "SOPHIA_REGISTRY_CA"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(settings, "PAUSES", ())
    monkeypatch.setattr(pulumi, "get_project", lambda: "sophia")
    monkeypatch.setattr(pulumi, "get_stack", lambda: "dev")
    monkeypatch.setattr(pulumi.runtime.config, "CONFIG", _Holder({}))

    def configure(values, secret=()):
        monkeypatch.setenv("PULUMI_CONFIG", json.dumps({f"sophia:{k}": v for k, v in values}))
        keys = json.dumps([f"sophia:{key}" for key in secret])
        monkeypatch.setenv("PULUMI_CONFIG_SECRET_KEYS", keys)

    return configure


class _Holder:
    def __init__(self, value):
        self.value = value

    def get(self):
        return self.value


def faults_of_load():
    with pytest.raises(SettingsError) as caught:
        settings.load(Catalog(()))
    return [str(fault) for fault in caught.value.faults]


def test_an_api_that_does_not_answer_is_one_fault_beside_the_others(configured):
    address = "http://127.0.0.1:1/api/v1"
    configured(
        [("lambdaApiUrl", address), ("lambdaApiKey", "k"), ("gatewayPort", "99999")],
        secret=["lambdaApiKey"],
    )
    faults = faults_of_load()
    about = [line for line in faults if line.startswith("sophia:lambdaApiUrl")]
    assert len(about) == 1
    assert address in about[0]
    assert any(line.startswith("sophia:gatewayPort: got 99999") for line in faults)


def test_the_api_is_asked_at_the_pace_of_all_processes(configured, tmp_path):
    address = "http://127.0.0.1:1/api/v1"
    Pacer(slots=slots.shared(str(tmp_path), address, "k")).hold(0.4)
    configured([("lambdaApiUrl", address), ("lambdaApiKey", "k")], secret=["lambdaApiKey"])
    began = time.monotonic()
    faults_of_load()
    assert time.monotonic() - began >= 0.4


def test_a_secret_in_plain_text_is_a_fault_that_does_not_show_it(configured):
    configured([("lambdaApiKey", "in-the-clear"), ("lambdaApiUrl", "http://127.0.0.1:1/")])
    faults = faults_of_load()
    assert any(line.startswith("sophia:lambdaApiKey: got a plain text") for line in faults)
    assert not any("in-the-clear" in line for line in faults)


def test_a_refusal_on_the_way_is_not_blamed_on_the_key(configured):
    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(403)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<html>denied</html>")

        def log_message(self, *arguments):
            pass

    with HTTPServer(("127.0.0.1", 0), Proxy) as proxy:
        threading.Thread(target=proxy.handle_request, daemon=True).start()
        address = f"http://127.0.0.1:{proxy.server_port}/api/v1"
        configured([("lambdaApiUrl", address), ("lambdaApiKey", "k")], secret=["lambdaApiKey"])
        faults = faults_of_load()
    assert not any(line.startswith("sophia:lambdaApiKey") for line in faults)
    [about] = [line for line in faults if line.startswith("sophia:lambdaApiUrl")]
    assert "text/html" in about
    assert "403" in about
