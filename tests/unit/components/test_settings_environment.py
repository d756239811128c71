"""What the environment adds to configuration that leaves it out."""

from dataclasses import replace

import pytest

from components.catalog.loader import Catalog
from components.catalog.model import Variable
from components.settings_environment import with_credentials, with_environment, with_variables
from tests.support.catalog import whole
from tests.unit.components.samples import ENVIRONMENT, asking


def test_the_environment_completes_what_is_absent_or_empty(tmp_path):
    ca = tmp_path / "ca.pem"
    ca.write_text("-----BEGIN CERTIFICATE-----")
    values = with_environment(
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
    values = with_environment({"overlay": overlay}, environment, [])
    assert values["overlay"] == {**overlay, "encrypted": expected}


def test_credentials_are_not_sent_to_another_address():
    values = with_environment(
        {"lambdaApiUrl": "https://cloud.lambda.ai/api/v1", "registry": {"server": "ghcr.io"}},
        ENVIRONMENT,
        [],
    )
    assert "lambdaApiKey" not in values
    assert values["registry"] == {"server": "ghcr.io"}


def test_a_key_alone_completes_the_configured_address():
    values = with_environment(
        {"lambdaApiUrl": "https://cloud.lambda.ai/api/v1", "registry": {"server": "ghcr.io"}},
        {"LAMBDA_API_KEY": "key", "SOPHIA_REGISTRY_PASSWORD": "password"},
        [],
    )
    assert values["lambdaApiKey"] == "key"
    assert values["registry"] == {"server": "ghcr.io", "password": "password"}


def test_an_unreadable_ca_is_a_fault(tmp_path):
    faults = []
    with_environment({}, {"SOPHIA_REGISTRY_CA": str(tmp_path / "none")}, faults)
    assert [fault.key for fault in faults] == ["SOPHIA_REGISTRY_CA"]


def test_files_of_a_certificate_complete_the_gateway(tmp_path):
    for name in ("chain.pem", "key.pem"):
        (tmp_path / name).write_text(f"content of {name}")
    environment = {
        "SOPHIA_GATEWAY_CERTIFICATE": str(tmp_path / "chain.pem"),
        "SOPHIA_GATEWAY_PRIVATE_KEY": str(tmp_path / "key.pem"),
    }
    values = with_environment({"gateway": {"port": 443}}, environment, [])
    assert values["gateway"] == {
        "port": 443,
        "certificate": "content of chain.pem",
        "privateKey": "content of key.pem",
    }
    given = {"certificate": "c", "privateKey": "k"}
    assert with_environment({"gateway": given}, environment, [])["gateway"] == given


def test_unreadable_files_of_a_certificate_are_two_faults(tmp_path):
    (tmp_path / "binary").write_bytes(b"\xff\x00")
    environment = {
        "SOPHIA_GATEWAY_CERTIFICATE": str(tmp_path / "none"),
        "SOPHIA_GATEWAY_PRIVATE_KEY": str(tmp_path / "binary"),
    }
    faults = []
    with_environment({}, environment, faults)
    assert [fault.key for fault in faults] == [*environment]
    assert "not in ASCII" in faults[1].got


def test_the_environment_completes_the_credentials_that_servers_ask_for():
    environment = {"A_TOKEN": "of the shell", "B_TOKEN": "of the shell", "C_TOKEN": "x"}
    found = with_credentials(
        {"B_TOKEN": "configured"}, asking("A_TOKEN", "B_TOKEN", "D_TOKEN"), environment
    )
    assert found == {"A_TOKEN": "of the shell", "B_TOKEN": "configured"}
    assert with_credentials("wrong", whole(), environment) == "wrong"


def test_the_environment_takes_no_place_of_what_the_platform_has():
    environment = {"LAMBDA_API_KEY": "the platform's", "MEMORY_DATABASE_URL": "of the shell"}
    assert with_credentials(None, whole(), environment) == {}


def test_the_environment_completes_the_settings_that_servers_ask_for():
    [server] = asking().servers
    asked = tuple(Variable(name, "", "", False) for name in ("PAGE", "TEAM", "LAMBDA_API_URL"))
    catalog = Catalog((replace(server, env={"PAGE": "10", "OWN": "1"}, variables=asked),))
    environment = {"PAGE": "20", "TEAM": "", "OWN": "2", "LAMBDA_API_URL": "https://x"}
    [found] = with_variables(catalog, environment).servers
    assert found == replace(catalog.servers[0], env={"PAGE": "20", "OWN": "1"})
