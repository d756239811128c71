"""Pulumi.yaml describes the keys that the rules read, and their defaults."""

import re

import pytest
import yaml

from components.reading import REQUIRED, Reader
from tests.unit.components.samples import CATALOG, GOOD, changed, check

CONFIG = yaml.safe_load((CATALOG.parent / "Pulumi.yaml").read_text())["config"]
LINE = re.compile(r"^ *- (\w+)(?: \((.+)\))?(?::|$)", re.M)
OPEN = ("secrets", "env", "replace", "callers")
"""Mappings whose keys are names of the user's."""
EVERYTHING = changed(
    servers={"ai_memory": {}},
    gateway={"callers": {"alice": {}}},
    monitoring={"email": {}},
    backup={"x-asked-for": True},
    database={"x-asked-for": True},
    nodeGroups=[{**group, "replace": {}} for group in GOOD["nodeGroups"]],
)


@pytest.fixture
def asked(monkeypatch):
    """The rules' defaults by key, with the outermost one in front (`pace.pollSeconds`)."""
    found = {}
    value, inner, named = Reader._value, Reader.inner, Reader.named

    def note(reader, name, default):
        project, _, key = reader.path.partition(":")
        if project == "sophia" and key.rpartition(".")[2] not in OPEN:
            outermost = re.match(r"\w*", key)[0]
            found[f"{outermost}.{name}" if outermost else name] = default

    def noting_value(reader, name, default, *rest, **more):
        note(reader, name, default)
        return value(reader, name, default, *rest, **more)

    def noting_inner(reader, name, **more):
        note(reader, name, {})
        return inner(reader, name, **more)

    def noting_named(reader, name):
        note(reader, name, [])
        return named(reader, name)

    with monkeypatch.context() as patched:
        patched.setattr(Reader, "_value", noting_value)
        patched.setattr(Reader, "inner", noting_inner)
        patched.setattr(Reader, "named", noting_named)
        check(EVERYTHING)
    return found


def described():
    """The same, as Pulumi.yaml has it."""
    found = {}
    for key, about in CONFIG.items():
        found[key] = about["default"]
        for name, default in LINE.findall(about["description"]):
            found[f"{key}.{name}"] = yaml.safe_load(default) if default else None
    return found


def test_every_key_is_described_and_every_described_key_is_read(asked):
    assert sorted(described()) == sorted(asked)


def test_defaults_are_the_ones_of_the_rules(asked):
    """Below `servers` they are the catalog's."""
    for key, told in described().items():
        default = meant(asked[key])
        if not key.startswith("servers."):
            in_words = (
                meant(told) is None and str(default) in CONFIG[key.split(".")[0]]["description"]
            )
            assert meant(told) == default or (in_words and "." not in key), key


def meant(default):
    """None for texts that mean no value."""
    nothing = default is REQUIRED or default in (None, "", (), [], {})
    return None if nothing else list(default) if isinstance(default, tuple) else default


def test_no_key_has_a_type_or_lacks_a_default():
    """The engine would stop at the first wrong or missing one."""
    assert {frozenset(about) for about in CONFIG.values()} == {
        frozenset({"description", "default"})
    }
