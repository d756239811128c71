"""The surroundings of an engine built here: a folder of programs, and PULUMI_HOME with plugins."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from toolchain import build, cache, commands, places
from toolchain.commands import Say

STANDINS = {"command": "1.2.1", "random": "4.21.4"}
"""Plugins written here, and the versions that the vendor's SDKs ask for."""

_RUNTIME = places.ROOT / "providers" / "runtime"


def furnish(engine: Path, say: Say) -> Path:
    """A folder with `bin/` (engine, language host) and `pulumi/` (PULUMI_HOME with all plugins).

    engine: the folder of the engine that was built here.
    """
    docker = build.docker_plugin(say)

    def make(folder: Path) -> None:
        programs, home = folder / "bin", folder / "pulumi"
        programs.mkdir()
        home.mkdir()
        for program in engine.iterdir():
            # Not a symbolic link: the engine warns of hosts that are not in its own folder.
            os.link(program, programs / program.name)
        host = programs / "pulumi-language-python"
        shutil.copyfile(places.HERE / "language_host" / "host.py", host)
        host.chmod(0o755)
        environment = {
            **os.environ,
            "PATH": os.pathsep.join([str(programs), str(venv()), os.environ.get("PATH", "")]),
            "PULUMI_HOME": str(home),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
        }
        sources = {("docker", build.DOCKER): docker / "pulumi-resource-docker"}
        for name, version in STANDINS.items():
            sources[name, version] = folder / f"standin-{name}"
            _assemble(name, version, sources[name, version])
        for (name, version), source in sources.items():
            commands.run(
                f"installing the plugin {name} {version}",
                ["pulumi", "plugin", "install", "resource", name, version, "--file", str(source)],
                cwd=folder,
                environment=environment,
                say=say,
            )
        # The engine has copied 83 MB: one copy on this disk is enough.
        binary = docker / "pulumi-resource-docker"
        copied = home / "plugins" / f"resource-docker-v{build.DOCKER}" / binary.name
        copied.unlink()
        os.link(binary, copied)
        for name in STANDINS:
            shutil.rmtree(folder / f"standin-{name}")
        # The stack selected in each checkout outlives this folder.
        selections = places.cache() / "workspaces"
        selections.mkdir(exist_ok=True)
        shutil.rmtree(home / "workspaces", ignore_errors=True)
        (home / "workspaces").symlink_to(Path("..", "..", selections.name))

    return cache.made(
        places.cache(),
        _name(engine, docker),
        make,
        lambda: say("another run is installing the plugins: waiting for it"),
    )


def venv() -> Path:
    """The folder of this interpreter's programs."""
    return Path(sys.prefix) / "bin"


def _assemble(name: str, version: str, folder: Path) -> None:
    """A plugin folder that needs only the Python packages that it imports from the checkout."""
    for file in _python_of(name):
        target = folder / file.relative_to(places.ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    (folder / "PulumiPlugin.yaml").write_text(f"runtime: python\nversion: {version}\n")
    (folder / "__main__.py").write_text(
        "from providers.runtime.serve import serve\n"
        f"from toolchain.standins.{name}.provider import Standin\n"
        "serve(Standin())\n"
    )


def _python_of(name: str) -> list[Path]:
    standins = places.HERE / "standins"
    files = [*_RUNTIME.glob("*.py"), *(standins / name).glob("*.py"), *standins.glob("*.py")]
    return sorted(files)


def _name(engine: Path, docker: Path) -> str:
    files = [file for name in STANDINS for file in _python_of(name)]
    files += [places.HERE / "language_host" / "host.py", Path(__file__)]
    versions = [f"{name} {version}" for name, version in STANDINS.items()]
    return f"home-{cache.key_of(set(files), places.ROOT, engine.name, docker.name, *versions)}"
