"""Where Docker comes from, tried with stand-ins for `docker`, `dockerd` and `apt-get` on PATH."""

import os
import signal
from pathlib import Path

import pytest

from simulator import engine, images, packages
from simulator.exceptions import DockerMissing, SimulatorError
from tests.support.polling import until

ANSWERING = '#!/bin/sh\necho "$*" >> {log}\necho 20.10\n'
SILENT = '#!/bin/sh\ncase "$1" in context) echo {host};; *) echo {said} >&2; exit 1;; esac\n'
UP_WHEN_STARTED = """#!/bin/sh
case "$1" in
context) echo unix:///var/run/docker.sock ;;
version) test -e {started} || {{ echo refused >&2; exit 1; }} ;;
ps) cat {running} ;;
esac
"""
DOCKERD = "#!/bin/sh\ntouch {started}\nwhile :; do sleep 0.05; done\n"
SOCKET = "unix:///var/run/docker.sock"


class Bench:
    """A PATH with only stand-ins, and the engine's files in the test's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: list[str] = []
        self.log = folder / "log"
        self.running = folder / "running"
        self.running.write_text("")
        (folder / "bin").mkdir()
        for name in ("sh", "cat", "touch", "sleep", "test", "env"):
            (folder / "bin" / name).symlink_to(f"/usr/bin/{name}")

    def command(self, name: str, script: str, **values: str) -> None:
        path = self.folder / "bin" / name
        known = {"log": self.log, "started": self.folder / "up", "running": self.running}
        path.write_text(script.format(**known, **values))
        path.chmod(0o755)


@pytest.fixture
def bench(tmp_path, monkeypatch):
    bench = Bench(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(engine, "PID_FILE", tmp_path / "dockerd.pid")
    monkeypatch.setattr(engine, "LOG_FILE", tmp_path / "dockerd.log")
    monkeypatch.setattr(packages, "OF_ROOT", "")
    monkeypatch.setattr(packages, "RECORD", tmp_path / "packages")
    monkeypatch.setattr(packages, "LOG", bench.log)
    monkeypatch.setattr(engine, "SYSTEMD", tmp_path / "no-systemd")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    yield bench
    if (pid_file := tmp_path / "dockerd.pid").exists():
        os.kill(int(pid_file.read_text()), signal.SIGKILL)


def test_a_running_engine_is_used_as_it_is(bench):
    bench.command("docker", ANSWERING)
    engine.ensure(bench.said.append)
    assert bench.said == []
    assert not engine.stop_if_ours()
    assert set(bench.log.read_text().split("\n")) == {"version --format {{.Server.Version}}", ""}


@pytest.mark.parametrize(
    ("host", "said"),
    [("tcp://192.0.2.1:2375", "no route"), (SOCKET, "permission denied")],
)
def test_an_engine_of_someone_else_is_not_replaced(bench, host, said):
    bench.command("docker", SILENT, host=host, said=said)
    bench.command("dockerd", DOCKERD)
    with pytest.raises(DockerMissing, match=f"{host}.*{said}.*DOCKER_HOST"):
        engine.ensure(bench.said.append)


def test_who_is_not_root_is_told_what_is_missing(bench, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(
        SimulatorError, match=r"docker .*dockerd .*not root.*apt-get install docker.io"
    ):
        engine.ensure(bench.said.append)
    bench.command("docker", SILENT, host=SOCKET, said="refused")
    bench.command("dockerd", DOCKERD)
    with pytest.raises(DockerMissing, match=r"refused.*without root.*systemctl start docker"):
        engine.ensure(bench.said.append)


def test_root_without_apt_is_told_what_is_missing(bench):
    with pytest.raises(SimulatorError, match="no apt-get"):
        engine.ensure(bench.said.append)


def test_a_failed_installation_names_its_log(bench):
    bench.command("apt-get", "#!/bin/sh\necho no network; exit 100\n")
    with pytest.raises(SimulatorError, match=r"`apt-get update` failed \(100\), see .*dockerd.log"):
        engine.ensure(bench.said.append)
    assert "no network" in engine.LOG_FILE.read_text()


def test_it_is_installed_started_and_stopped_again_when_nothing_runs_in_it(bench):
    folder = bench.folder / "bin"
    bench.command("docker.new", UP_WHEN_STARTED)
    bench.command("dockerd.new", DOCKERD)
    bench.command(
        "apt-get",
        f"#!/bin/sh\nfor name in docker dockerd; do cat {folder}/$name.new > {folder}/$name; "
        f"/bin/chmod 755 {folder}/$name; done\n",
    )
    engine.ensure(bench.said.append)
    assert bench.said == ["installing docker.io", "starting dockerd"]
    pid = int(engine.PID_FILE.read_text())
    bench.running.write_text("somebody's container\n")
    assert not engine.stop_if_ours()
    bench.running.write_text("")
    assert engine.stop_if_ours()
    assert not engine.PID_FILE.exists()
    until(lambda: Path(f"/proc/{pid}/stat").read_text(), lambda s: ") Z " in s, "dockerd's end", 30)


def test_packages_that_are_there_need_nothing(bench):
    bench.command("mmdebstrap", "#!/bin/sh\n")
    packages.ensure(["mmdebstrap"], bench.log)
    assert not bench.log.exists()


def test_an_image_is_built_with_what_was_installed_for_it(bench):
    bench.command("docker", "#!/bin/sh\necho No such image >&2; exit 1\n")
    bench.command("apt-get", '#!/bin/sh\necho "$*" >> {log}\nexit 1\n')
    with pytest.raises(SimulatorError, match=r"missing: mmdebstrap \(building images\)"):
        images.ensure(images.BASE, bench.said.append)
    assert "update" in bench.log.read_text()
