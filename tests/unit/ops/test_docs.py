"""docs/reference/ matches the code, and is complete."""

import re

import pytest

from components.outputs import OUTPUTS
from ops import docs
from providers.lambdalabs.provider import LambdaLabs
from providers.swarm.provider import Swarm


@pytest.fixture(scope="module")
def pages():
    return docs.pages()


def test_the_files_are_what_make_docs_writes(pages):
    assert list(docs.stale(pages)) == [], "run `make docs`"
    assert {file.name for file in docs.REFERENCE.iterdir()} == set(pages)


def test_every_key_tells_what_is_expected(pages):
    rows = re.findall(r"^\| `(.+?)` \| (.*?) \| (.*?) \|", pages["configuration.md"], re.M)
    found = {key: (default, expected) for key, default, expected in rows}
    assert all(expected for _, expected in found.values())
    assert found["gateway.port"] == ("`8443`", "a whole number from 1 to 65535")
    assert found["sshUser"] == ("`ubuntu`", "a Linux user's name")
    assert found["nodeGroups[].count"] == ("required", "a whole number from 0 to 99")
    assert found["servers.<name>.resources.memoryMb"][1] == "a whole number from 32 to 1048576"
    assert found["servers.<name>.tools.deny"][1].startswith("a list; each: a tool's name")


def test_every_resource_and_output_is_there(pages):
    tokens = {lifecycle.token for of in (LambdaLabs, Swarm) for lifecycle in of.lifecycles}
    assert tokens <= set(re.findall(r"^### (.+)$", pages["providers.md"], re.M))
    assert set(re.findall(r"^\| `(\w+)`", pages["outputs.md"], re.M)) == set(OUTPUTS)


def test_every_property_is_described(pages):
    rows = re.findall(r"^\| `(\w+)` \| .* \| .*? \| (.*) \|$", pages["providers.md"], re.M)
    assert [name for name, about in rows if not re.sub(r"\*\w+\*", "", about).strip()] == []


def test_what_markdown_would_take_for_html_or_a_column_is_escaped():
    assert docs.row("`<a>`", "<b> | c") == "| `<a>` | &lt;b> \\| c |\n"
