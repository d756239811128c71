"""What gives the stack's secrets away, and where they are looked for."""

from __future__ import annotations

import base64
import json

import pytest

from ops.audit import canary
from ops.audit.nodes import Node
from tests.support.certificates import issue

TOKEN = "Xk3thisWasAToken91"
KEY = (
    f"-----BEGIN PRIVATE KEY-----\n{'A' * 64}\n{'B' * 64}\n{'C' * 44}\n-----END PRIVATE KEY-----\n"
)


def secret(value: object) -> dict[str, str]:
    """As the engine exports it."""
    return {
        "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
        "plaintext": json.dumps(value),
    }


def export(**outputs: object) -> dict[str, object]:
    resource = {"urn": "urn:pulumi:dev::sophia::a:b:C::thing", "outputs": outputs}
    return {"deployment": {"resources": [resource, {"urn": "urn::other"}]}}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (TOKEN, {TOKEN}),
        (["x", {"inner": TOKEN}], {TOKEN}),
        (json.dumps({"password": TOKEN, "user": "sophia"}), {TOKEN}),
        (f"postgresql://sophia:{TOKEN}@tasks.database:5432/sophia", {TOKEN}),
        (
            "postgresql://sophia:a%2Fb%2Bc-0123456@db/x",
            {"a%2Fb%2Bc-0123456", "a/b+c-0123456"},
        ),
        # A password that occurs anywhere by chance.
        ("postgresql://sophia:sophia@db/x", {"postgresql://sophia:sophia@db/x"}),
        # As Google makes them for mail.
        ("abcdefghijklmnop", {"abcdefghijklmnop"}),
        (
            KEY + "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
            {"B" * 64, "C" * 44},
        ),
        # The address of an own database, as its check reads it.
        (f"PGHOST=db.example\nPGUSER=sophia\nPGPASSWORD={TOKEN}\n", {TOKEN}),
        ("7f1c9e2ab4d0835566aa", {"7f1c9e2ab4d0835566aa"}),
        (
            "https://hooks.example/services/T0AB/B1CD/xYz9",
            {"https://hooks.example/services/T0AB/B1CD/xYz9"},
        ),
        # Secret by contact only.
        ("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----", set()),
        ("sophia-dev-ai_memory", set()),
        ("https://cloud.example:5000/api/v1", set()),
        ("192.0.2.1:5000/base@sha256:0123456789abcdef", set()),
        ("a line of a log with Words and 123", set()),
        ("short1", set()),
        (True, set()),
        (17, set()),
    ],
)
def test_what_gives_a_secret_away(value, expected):
    assert set(canary.needles(export(value=secret(value)))) == expected


def test_secrets_are_found_at_any_depth_and_named():
    found = canary.needles(export(a={"b": [secret(TOKEN)]}, c="open"))
    assert found == {TOKEN: "thing.a.b[]"}


@pytest.mark.parametrize("name", ["a", "ab", "abc"])
def test_a_certificate_does_not_give_its_key_away(name: str):
    """Both have the public key. In one of three names base64 splits it at the same places."""
    issued = issue(name)
    known = canary.needles(export(key=secret(issued.key_pem)))
    assert len(known) == 1
    assert not [line for line in known if line in issued.pem]
    assert all(line in issued.key_pem for line in known)


NODE = Node(
    "olga",
    "manager",
    {
        "containers": json.dumps([{"Config": {"Env": [f"TOKEN={TOKEN}"]}}]),
        "configs": json.dumps(
            [{"Spec": {"Data": base64.b64encode(f"x {TOKEN}".encode()).decode()}}]
        ),
        "logs": f"auth {base64.b64encode(TOKEN.encode()).decode()}\n",
        "journal": "all is well\n",
    },
)


def test_it_is_found_wherever_it_is_and_never_shown():
    check = canary.checked(
        export(result=secret(TOKEN)), "{}", {"Pulumi.dev.yaml": f"a: {TOKEN}"}, [NODE]
    )
    places = {place for place, problems in check.problems.items() if problems}
    assert places == {
        "Pulumi.dev.yaml",
        "olga: docker inspect of containers",
        "olga: Swarm configs",
        "olga: logs of containers",
    }
    assert check.problems["Pulumi.dev.yaml"] == ["holds thing.result"]
    assert TOKEN not in repr(check)


@pytest.mark.parametrize("before", ["", "x", "ci:", "sophia:"])
def test_it_is_found_in_base64_behind_any_text(before: str):
    """As a registry's login in a command line, or basic authentication in a log."""
    told = base64.b64encode(f"{before}{TOKEN}/and more".encode()).decode()
    check = canary.checked(export(result=secret(TOKEN)), "{}", {"log": f"Basic {told}"}, [])
    assert check.problems["log"] == ["holds thing.result"]
    assert TOKEN[:8] not in told


def test_what_ended_containers_have_and_said_is_searched():
    parts = {"ended": f'["A={TOKEN}"]', "ended_logs": f"psql: {TOKEN}\n"}
    check = canary.checked(export(result=secret(TOKEN)), "{}", {}, [Node("olga", "worker", parts)])
    assert {place for place, found in check.problems.items() if found} == {
        "olga: docker inspect of ended containers",
        "olga: logs of ended containers",
    }


def test_a_state_without_secrets_is_no_pass():
    check = canary.checked(export(), "{}", {}, [NODE])
    assert list(check.problems.values()) == [["it has no secrets to look for"]]
