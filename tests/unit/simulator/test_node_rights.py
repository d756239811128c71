"""How a node starts, on both cgroup versions, compared with what works on real machines."""

import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from simulator import engine, machines, node_image
from simulator.exceptions import DockerError

ALWAYS = [
    "--cap-add ALL",
    "--security-opt seccomp=unconfined",
    "--security-opt systempaths=unconfined",
    "--security-opt apparmor=unconfined",
    "--device-cgroup-rule a *:* rwm",
    "--tmpfs /run",
    "--tmpfs /run/lock",
]
CGROUPS = {
    "1": ["--cgroupns host", "--volume /sys/fs/cgroup:/sys/fs/cgroup:rw"],
    "2": ["--cgroupns private"],
}


DROPPED = {20: ["--cap-drop SYS_RESOURCE"], 26: [], 29: []}


@pytest.mark.parametrize("cgroup", CGROUPS)
@pytest.mark.parametrize("docker", DROPPED)
def test_a_node_has_exactly_these_rights(docker, cgroup):
    words = machines.rights(engine.Version(docker, cgroup))
    pairs = [" ".join(pair) for pair in zip(words[::2], words[1::2], strict=True)]
    assert sorted(pairs) == sorted(ALWAYS + DROPPED[docker] + CGROUPS[cgroup])


@pytest.mark.parametrize("version", ["1", "2"])
def test_the_engine_is_asked_for_its_version(version, monkeypatch):
    created = []

    def docker(*words, **options):
        if words[0] == "info":
            assert words == ("info", "--format", "{{.ServerVersion}} {{.CgroupVersion}}")
            return f"20.10.24+dfsg1 {version}"
        created.extend([words] if words[0] == "create" else [])
        return ""

    monkeypatch.setattr(engine, "docker", docker)
    monkeypatch.setattr(machines, "docker", docker)
    monkeypatch.setattr(machines, "INOTIFY", Path("/nowhere"))
    node = machines.Node("c", "host", "net", "192.0.2.9", "sim-1", "i-1", "", ())
    machines.start(node)
    (words,) = created
    assert ("/sys/fs/cgroup:/sys/fs/cgroup:rw" in words) == (version == "1")
    assert words[words.index("--cgroupns") + 1] == {"1": "host", "2": "private"}[version]


class Machine:
    """A root directory that the first process of a node runs in, with a `mount` that only logs."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in (
            "sys/fs/cgroup",
            "proc/self",
            "etc/default",
            "lib/systemd",
            "bin",
            "usr/local/sbin",
        ):
            (root / folder).mkdir(parents=True)
        self.program("bin/mount", f'echo "$*" >> {root}/mounts')
        self.program("bin/ip", f'echo "ip $*" >> {root}/mounts')
        self.program("lib/systemd/systemd", f"echo systemd >> {root}/mounts")

    def program(self, path: str, script: str) -> None:
        (self.root / path).write_text(f"#!/bin/sh\n{script}\n")
        (self.root / path).chmod(0o755)

    def boot(self, **variables: str) -> list[str]:
        script = node_image.INIT
        for path in ("/sys/fs/cgroup/cgroup.controllers", "/proc/self/cgroup", "/etc/default",
                     "/lib/systemd", "/usr/local/sbin"):  # fmt: skip
            script = script.replace(path, f"{self.root}{path}")
        path = {"PATH": f"{self.root}/bin:{os.environ['PATH']}"}
        subprocess.run(["/bin/sh", "-e", "-c", script], env=path | variables, check=True)
        return (self.root / "mounts").read_text().splitlines()


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


WRITABLE = ["-o remount,rw /sys", "-o remount,rw /proc/sys"]


def test_on_v2_docker_is_left_to_systemd(machine):
    """`--cgroup-parent=<path>` ends a dockerd with the systemd driver: it expects a slice."""
    (machine.root / "sys/fs/cgroup/cgroup.controllers").write_text("cpu memory pids\n")
    (machine.root / "proc/self/cgroup").write_text("0::/\n")
    assert machine.boot() == [*WRITABLE, "-o remount,rw /sys/fs/cgroup", "systemd"]
    assert not (machine.root / "etc/default/docker").exists()


@pytest.mark.parametrize(
    "groups",
    [
        "9:name=systemd:/docker/abc\n4:memory:/docker/abc\n0::/\n",
        "4:memory:/docker/abc\n3:cpu:/other\n",
    ],
)
def test_on_v1_a_nodes_containers_lie_below_the_node(machine, groups):
    (machine.root / "proc/self/cgroup").write_text(groups)
    assert machine.boot() == [*WRITABLE, "systemd"]
    options = (machine.root / "etc/default/docker").read_text()
    assert options == "DOCKER_OPTS=--cgroup-parent=/docker/abc/docker\n"


def test_a_node_is_protected_before_anything_of_it_runs(machine):
    (machine.root / "proc/self/cgroup").write_text("0::/\n")
    machine.program(node_image.FILTER, f"echo protected >> {machine.root}/mounts")
    booted = machine.boot(PRIVATE_ADDRESS="10.0.0.9/24")
    assert booted[2:] == ["ip address add 10.0.0.9/24 dev eth0", "protected", "systemd"]


@pytest.mark.parametrize("runs", [True, False])
def test_a_filter_is_kept_for_the_next_boot_and_run_now_if_the_node_runs(runs, monkeypatch):
    done = []

    def docker(*words, stdin, **options):
        done.append((words[0], stdin))
        if words[0] == "exec" and not runs:
            raise DockerError("Error response from daemon: Container abc is not running")

    monkeypatch.setattr(machines, "docker", docker)
    machines.protect("node", "#!/bin/sh\n")
    assert done[0] == ("exec", b"#!/bin/sh\n")
    assert [word for word, _ in done[1:]] == ([] if runs else ["cp"])
    if not runs:
        with tarfile.open(fileobj=io.BytesIO(done[1][1])) as tar:
            assert [(one.name, one.mode) for one in tar] == [(node_image.FILTER, 0o755)]


def test_another_trouble_with_a_filter_is_told(monkeypatch):
    def docker(*words, **options):
        raise DockerError("iptables: No chain/target/match by that name")

    monkeypatch.setattr(machines, "docker", docker)
    with pytest.raises(DockerError, match="No chain"):
        machines.protect("node", "#!/bin/sh\n")
