"""`make new-server` in a copy of the tree: a folder that works before anybody touched it."""

import subprocess
import sys

import pytest

from components.catalog import loader
from components.image_cache import read
from ops.new_server import BadName, create
from tests.support.checkout import Checkout, copy_of_the_tree

LONGEST = "a_name_of_thirty_one_characters"


def python(checkout: Checkout, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=checkout.root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return copy_of_the_tree(tmp_path_factory.mktemp("tree"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["made_here", LONGEST])
def test_a_new_server_works_at_once(checkout: Checkout, name: str):
    assert len(LONGEST) == 31
    done = checkout.make("new-server", f"NAME={name}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"mcp_catalog/{name}/ is ready" in done.stdout
    folder = checkout.root / "mcp_catalog" / name
    written = [path for path in folder.iterdir() if path.name != "__pycache__"]
    assert {path.name for path in written} == {
        *("server.yaml", "server.py", "README.md", "test_server.py", "tools.json")
    }
    assert "emplate" not in "".join(path.read_text() for path in written)
    catalog = loader.load(checkout.root / "mcp_catalog")
    assert catalog.faults == ()
    assert name in catalog.names()
    assert read(folder, "base").sources
    every = (
        "tests/unit/ops/test_tool_schemas.py",
        "tests/unit/mcp_catalog/test_catalog_folders.py",
    )
    python(checkout, "pytest", "-q", "-p", "no:cacheprovider", f"mcp_catalog/{name}", *every)
    python(checkout, "ruff", "check", f"mcp_catalog/{name}")
    python(checkout, "ruff", "format", "--check", f"mcp_catalog/{name}")


@pytest.mark.parametrize(
    "name", ["", "Jira", "my-server", "1jira", "_jira", "a" * 32, "../x", "base", "class", "a b"]
)
def test_a_name_that_can_not_be_one_is_a_line_that_says_so(name: str):
    with pytest.raises(BadName, match=r"^NAME: got '.*', expected lower case letters") as caught:
        create(name)
    assert "make new-server NAME=jira" in str(caught.value)


def test_a_folder_that_is_there_stays_as_it_is():
    with pytest.raises(BadName, match="mcp_catalog/ai_memory/ exists already"):
        create("ai_memory")


def test_the_command_says_it_in_one_line_and_fails(checkout: Checkout):
    done = checkout.make("new-server", "NAME=My Server")
    assert done.returncode != 0
    assert done.stdout.startswith("error: NAME: got 'My Server', expected lower case letters")
    assert len(done.stdout.splitlines()) == 1
    assert not [
        path for path in (checkout.root / "mcp_catalog").iterdir() if path.name.startswith(".")
    ]
