"""How a stack's configuration is loaded: what the engine passes, and all faults at once."""

import json
import shutil
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer

import pulumi
import pytest

from components import settings, settings_account, settings_environment
from components.catalog import loader
from components.catalog.loader import Catalog
from components.catalog.model import Variable
from components.plan.networks import Layout
from components.settings_model import SettingsError
from providers.lambdalabs import slots
from providers.lambdalabs.pacer import Pacer
from tests.support import wrong_settings
from tests.support.catalog import place_for_jira
from tests.unit.components.samples import CATALOG, ENVIRONMENT, GOOD, asking


def test_configuration_is_decoded_but_texts_stay_texts():
    given = {
        "lambdaApiKey": "12",
        "gateway": '{"port": 443}',
        "servers": '["a"]',
        "overlay": "{broken",
    }
    assert settings.decoded(given) == {
        "lambdaApiKey": "12",
        "gateway": {"port": 443},
        "servers": ["a"],
        "overlay": "{broken",
    }


@pytest.mark.parametrize(
    ("given", "kept", "size"),
    [
        (None, {}, None),
        (None, {"gateway_url": "of the first version"}, 24),
        ({"mtu": 1400}, {"gateway_url": "…", "subnet_size": 20.0}, 20),
        ({"subnetSize": 22}, {"gateway_url": "…", "subnet_size": 24}, 22),
        ("wrong", {"gateway_url": "…"}, None),
    ],
)
def test_a_platform_that_exists_keeps_the_size_of_its_subnets(given, kept, size):
    found = settings.with_subnet_size(given, kept)
    assert (found.get("subnetSize") if isinstance(found, dict) else None) == size


@pytest.fixture
def configured(monkeypatch, tmp_path):
    """Sets the stack's configuration as the engine hands it over."""
    files = [*settings_environment.REGISTRY_FILES.values()]
    files += settings_environment.GATEWAY_FILES.values()
    for name in [*ENVIRONMENT, *files]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(settings_account, "PAUSES", ())
    monkeypatch.setattr(pulumi, "get_project", lambda: "sophia")
    monkeypatch.setattr(settings, "handed_out", lambda: {"named_after": "dev"})
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


NO_SERVERS = Catalog(())


def faults_of_load(catalog=NO_SERVERS):
    with pytest.raises(SettingsError) as caught:
        settings.load(catalog)
    return [str(fault) for fault in caught.value.faults]


def test_an_api_that_does_not_answer_is_one_fault_beside_the_others(configured):
    address = "http://127.0.0.1:1/api/v1"
    configured(
        [("lambdaApiUrl", address), ("lambdaApiKey", "k"), ("gateway", '{"port": 99999}')],
        secret=["lambdaApiKey"],
    )
    faults = faults_of_load()
    about = [line for line in faults if line.startswith("sophia:lambdaApiUrl")]
    assert len(about) == 1
    assert address in about[0]
    assert any(line.startswith("sophia:gateway.port: got 99999") for line in faults)


def test_the_api_is_asked_at_the_pace_of_all_processes(configured, tmp_path):
    address = "http://127.0.0.1:1/api/v1"
    began = time.monotonic()
    Pacer(slots=slots.shared(str(tmp_path), address, "k")).hold(0.4)
    configured([("lambdaApiUrl", address), ("lambdaApiKey", "k")], secret=["lambdaApiKey"])
    faults_of_load()
    assert time.monotonic() - began >= 0.4


def test_a_secret_in_plain_text_is_a_fault_that_does_not_show_it(configured):
    configured([("lambdaApiKey", "in-the-clear"), ("lambdaApiUrl", "http://127.0.0.1:1/")])
    faults = faults_of_load()
    assert any(line.startswith("sophia:lambdaApiKey: got plain text") for line in faults)
    assert not any("in-the-clear" in line for line in faults)


def test_a_certificates_key_in_plain_text_is_a_fault_that_does_not_show_it(configured):
    given = json.dumps({"privateKey": "in-the-clear"})
    configured([("gateway", given)])
    faults = faults_of_load()
    assert any(line.startswith("sophia:gateway: got plain text") for line in faults)
    assert not any("in-the-clear" in line for line in faults)
    configured([("gateway", given)], secret=["gateway"])
    assert not any(line.startswith("sophia:gateway: got plain") for line in faults_of_load())


def test_a_credential_of_the_environment_is_not_missing(configured, monkeypatch):
    configured([])
    assert any(
        line.startswith("sophia:secrets.A_TOKEN") for line in faults_of_load(asking("A_TOKEN"))
    )
    monkeypatch.setenv("A_TOKEN", "of the shell")
    assert not any("A_TOKEN" in line for line in faults_of_load(asking("A_TOKEN")))


def test_a_setting_of_the_environment_is_not_missing(configured, monkeypatch):
    [server] = asking().servers
    catalog = Catalog((replace(server, variables=(Variable("TEAM_ID", "", "", True),)),))
    configured([])
    [missing] = [line for line in faults_of_load(catalog) if "TEAM_ID" in line]
    assert missing.endswith("or set TEAM_ID in the environment")
    monkeypatch.setenv("TEAM_ID", "T0123")
    assert not any("TEAM_ID" in line for line in faults_of_load(catalog))


@pytest.mark.parametrize("given", [{"a": {"secrets": {"A_TOKEN": "in-the-clear"}}}])
def test_a_servers_secret_in_plain_text_is_a_fault_that_does_not_show_it(configured, given):
    configured([("servers", json.dumps(given))])
    faults = faults_of_load(asking("A_TOKEN"))
    [about] = [line for line in faults if line.startswith("sophia:servers: got plain text")]
    assert "config set --secret --path 'sophia:servers.SERVER.secrets.NAME'" in about
    assert not any("in-the-clear" in line for line in faults)


@pytest.mark.parametrize(
    "given", ['["a"]', '{"a":{"secrets":{},"env":{"A":"b"}}}', '{"a": {"secrets": null}}']
)
def test_settings_of_servers_without_secrets_may_be_plain(configured, given):
    configured([("servers", given)])
    faults = faults_of_load(asking("A_TOKEN"))
    assert not any(line.startswith("sophia:servers: got plain text") for line in faults)


def test_an_address_with_a_password_is_not_asked_and_not_shown(configured):
    address = "http://user:hidden-1@127.0.0.1:1/api/v1"
    configured([("lambdaApiUrl", address), ("lambdaApiKey", "k")], secret=["lambdaApiKey"])
    [about] = [line for line in faults_of_load() if "lambdaApiUrl" in line]
    assert "hidden-1" not in about


def test_more_than_twenty_errors_are_one_line_each_and_come_at_once(configured, tmp_path):
    places = tmp_path / "mcp_catalog"
    shutil.copytree(CATALOG, places, ignore=lambda place, names: {"base"})
    (place_for_jira(places) / "server.yaml").write_text(wrong_settings.JIRA)
    values = wrong_settings.VALUES.items()
    texts = [(key, value if isinstance(value, str) else json.dumps(value)) for key, value in values]
    configured(texts)
    faults = faults_of_load(loader.load(places))
    unasked = ("nodeGroups[1].instanceTypes[0]", "nodeGroups[0].regions[0]")  # without a key
    expected = [line for line in wrong_settings.ERRORS if not any(key in line for key in unasked)]
    expected.append("sophia:lambdaApiKey: got nothing, expected a text")
    assert len(expected) > 20
    for beginning in expected:
        assert len([line for line in faults if line.startswith(beginning)]) == 1, beginning
    assert len(faults) == len(expected), faults
    assert not any(wrong_settings.HIDDEN in line for line in faults)


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


def test_callers_tokens_of_the_last_run_are_known_and_never_shown(configured, monkeypatch):
    outputs = {
        "named_after": "dev",
        "subnet_size": 24.0,
        "gateway_tokens": {"alice": "newer-token"},
    }
    outputs["gateway_former_tokens"] = {"alice": "older-token"}
    outputs["ca_certificate"] = "the CA in PEM"
    monkeypatch.setattr(settings, "handed_out", lambda: outputs)
    monkeypatch.setattr(settings_account.Account, "offers", lambda *given: None)
    values = {**GOOD, "servers": {}}
    configured([(key, json.dumps(value)) for key, value in values.items()], secret=values)
    found = settings.load(NO_SERVERS)
    assert found.last_tokens["alice"].reveal() == "newer-token"
    assert found.former_tokens["alice"].reveal() == "older-token"
    assert "-token" not in str(found)
    assert found.last_authority == "the CA in PEM"
    monkeypatch.setattr(settings, "handed_out", dict)
    assert settings.load(NO_SERVERS).last_tokens == {}


def test_other_networks_beside_the_former_ones_need_room(configured, monkeypatch):
    former = [{"encrypted": True, "mtu": 1400.0, "generation": 2.0}]
    outputs = {"named_after": "dev", "subnet_size": 24.0, "network_layouts": former}
    monkeypatch.setattr(settings, "handed_out", lambda: outputs)
    monkeypatch.setattr(settings_account.Account, "offers", lambda *given: None)

    def configure(**overlay):
        values = {**GOOD, "servers": {}, "overlay": {"addressPools": ["10.200.0.0/22"], **overlay}}
        configured([(key, json.dumps(value)) for key, value in values.items()], secret=values)

    configure(mtu=1400)
    assert settings.load(NO_SERVERS).layouts == (Layout(True, 1400, 2),)
    configure()
    assert faults_of_load() == [
        "sophia:overlay: got another mtu or encrypted, which needs new networks beside the 3"
        " present ones, expected pools with room for 5; they have room for 4 and can't be changed;"
        " restore the former values"
    ]
    configure(addressPools=["10.200.0.0/21"])
    assert settings.load(NO_SERVERS).layouts == (Layout(True, 0, 3), Layout(True, 1400, 2))
