"""The engine and the language host, from nothing to a program's outputs and errors."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from toolchain import build, places

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]


def test_a_program_without_resources_goes_up_changes_nothing_and_goes_down(make_project):
    project = make_project(
        "import pulumi\n"
        "pulumi.export('given', pulumi.Config().get('given'))\n"
        "pulumi.export('hidden', pulumi.Output.secret('unseen'))\n"
    )
    project.pulumi("config", "set", "given", "value")
    shown = project.up()

    assert "warning" not in shown
    assert project.outputs() == {"given": "value", "hidden": "unseen"}
    assert "unseen" not in project.pulumi("stack", "export")
    assert "1 unchanged" in project.up()
    project.pulumi("destroy", "--yes", "--skip-preview")
    assert project.outputs() == {}


def test_secret_configuration_reaches_the_program_as_a_secret(make_project):
    project = make_project(
        "import pulumi\npulumi.export('key', pulumi.Config().require_secret('key'))\n"
    )
    project.pulumi("config", "set", "--secret", "key", "hunter2")

    assert "hunter2" not in project.up()
    assert project.outputs() == {"key": "hunter2"}


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("raise ValueError('of mine')", "ValueError: of mine"),
        ("import pulumi\nraise pulumi.RunError('said politely')", "error: said politely"),
        ("import os\nos._exit(3)", "the program ended with exit status 3"),
        ("import os\nos.kill(os.getpid(), 9)", "the program ended with signal 9"),
    ],
    ids=["exception", "run error", "exit status", "killed"],
)
def test_a_failing_program_fails_with_its_reason(make_project, program, told):
    assert told in make_project(program).up(fails=True)


def test_a_missing_virtual_environment_is_named(make_project):
    project = make_project("")
    manifest = project.folder / "Pulumi.yaml"
    manifest.write_text(manifest.read_text().replace(sys.prefix, "no/such/venv"))

    assert "no/such/venv/bin/python does not exist" in project.up(fails=True)


def test_about_tells_the_interpreter_and_its_packages(make_project):
    about = make_project("").pulumi("about")

    assert f"{sys.prefix}/bin/python" in about
    assert "pulumi_random" in about.replace("-", "_")


def test_two_runs_at_once_end_with_the_same_engine(tmp_path):
    # A separate cache that already has the engine and the docker plugin: it saves minutes.
    cache = tmp_path / "cache"
    cache.mkdir()
    for name in (build.engine_name(), build.docker_name()):
        shutil.copytree(places.cache() / name, cache / name)
    variables = {
        **os.environ,
        "SOPHIA_TOOLCHAIN": str(cache),
        "SOPHIA_HOME": str(tmp_path / "state"),
    }
    command = [sys.executable, "-m", "toolchain", "env"]
    both = [
        subprocess.Popen(command, cwd=ROOT, env=variables, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    printed = [process.communicate(timeout=120)[0] for process in both]

    assert [process.returncode for process in both] == [0, 0]
    assert printed[0] == printed[1]
    assert len(list(cache.glob("home-*"))) == 1
    assert not list(cache.glob(".*making*"))


def test_no_way_to_an_engine_is_one_error_that_names_the_ways(tmp_path):
    variables = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        # Neither the vendor nor a package registry answers at a closed port of this machine.
        "https_proxy": "http://127.0.0.1:9",
        "PIP_INDEX_URL": "http://127.0.0.1:9",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_RETRIES": "0",
    }
    done = subprocess.run(
        [sys.executable, "-m", "toolchain", "ensure"],
        cwd=ROOT,
        env=variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    for way in ("install Pulumi", "get.pulumi.com", "install Go"):
        assert way in done.stderr
