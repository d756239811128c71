"""What is missing on a machine, reported at once with its remedy; how facts are read."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from ops import machine, needs
from ops.machine import Engine, Machine
from simulator import packages

ROOT = Path(__file__).parents[3]
GIB = 1 << 30
DOCKER = Engine("20.10.24+dfsg1", "2", ("name=apparmor", "name=cgroupns"), "Debian", here=True)
FIT = Machine(
    root=True,
    system="Linux",
    architecture="x86_64",
    python="/usr/bin/python3",
    python_package="python3-venv",
    commands=frozenset(machine.COMMANDS),
    packages={name: list(wanted) for name, (wanted, _) in packages.NEEDED_FOR.items()},
    engine=DOCKER,
    engine_trouble="",
    engine_address="unix:///var/run/docker.sock",
    docker_group=True,
    cgroup_version="2",
    controllers=frozenset({"cpu", "memory", "pids"}),
    modules=dict.fromkeys(machine.MODULES, True),
    memory=8 * GIB,
    docker_folder=Path("/var/lib/docker"),
    docker_disk=50 * GIB,
    cache_folder=Path("/root/.cache/sophia/toolchain"),
    cache_disk=50 * GIB,
    engine_built=False,
    images_built=False,
    in_use=False,
    trust_writable=True,
    subordinate_ids=True,
    namespaces="",
    subnet_free=True,
    firewall=False,
    not_writable=(),
)
USER = dataclasses.replace(FIT, root=False)
NO_APT = FIT.commands - {"apt-get"}


def but(machine: Machine, **changes: object) -> Machine:
    return dataclasses.replace(machine, **changes)


def told(machine: Machine) -> str:
    return "\n".join(f"{need.problem}: {need.remedy}" for need in needs.missing(machine))


@pytest.mark.parametrize(
    "fit",
    [
        FIT,
        USER,
        but(FIT, engine=None, commands=frozenset({"apt-get"}), engine_trouble="not installed"),
        but(FIT, python=""),
        but(FIT, modules=dict.fromkeys(machine.MODULES)),
        but(FIT, modules=dict.fromkeys(machine.MODULES, True) | {"esp4": False, "ip_vs": False}),
        but(FIT, memory=1 * GIB, in_use=True, images_built=True, docker_disk=2 * GIB),
        but(USER, images_built=True, commands=frozenset({"docker"})),
        but(FIT, engine=dataclasses.replace(DOCKER, version="28.2.2", cgroup_version="1")),
    ],
)
def test_nothing_is_missing(fit):
    assert told(fit) == ""


@pytest.mark.parametrize(
    ("machine", "expected"),
    [
        (but(FIT, system="Darwin"), "the system is Darwin"),
        (but(FIT, architecture="aarch64"), "aarch64"),
        (but(FIT, python="", commands=NO_APT), "&& apt-get install -y python3-venv"),
        (but(USER, python=""), "sudo apt-get update && sudo apt-get install -y python3-venv"),
        (but(USER, commands=frozenset({"docker"})), "sudo apt-get install -y"),
        (but(USER, trust_writable=False), 'sudo install -d -o "$USER" /etc/docker/certs.d'),
        (but(USER, engine=None, engine_trouble="permission denied"), "sudo usermod -aG docker"),
        (but(USER, engine=None, engine_trouble="refused"), "sudo systemctl start docker"),
        (but(FIT, engine=None, engine_address="tcp://x:1"), "unset DOCKER_HOST"),
        (but(FIT, engine=dataclasses.replace(DOCKER, here=False)), "runs on another machine"),
        (but(FIT, engine=dataclasses.replace(DOCKER, version="19.03.8")), "expected 20.10"),
        (but(FIT, engine=dataclasses.replace(DOCKER, security=("name=rootless",))), "rootless"),
        (but(FIT, engine=dataclasses.replace(DOCKER, security=("name=userns",))), "userns-remap"),
        (but(FIT, modules={**FIT.modules, "vxlan": False}), "the kernel has no vxlan"),
        (but(FIT, controllers=frozenset({"cpu", "pids"})), "off: memory"),
        (but(USER, namespaces="EPERM"), "images in: EPERM: run this as root"),
        (but(USER, namespaces="kernel.apparmor_restrict_unprivileged_userns is 1"), "userns=0"),
        (but(USER, namespaces="user.max_user_namespaces is 0"), "user.max_user_namespaces=65536"),
        (but(USER, subordinate_ids=False), "usermod --add-subuids"),
        (but(FIT, docker_disk=3 * GIB), "3.0 GiB are free for /var/lib/docker"),
        (but(FIT, cache_disk=2 * GIB), "2.0 GiB are free for /root/.cache"),
        (but(FIT, memory=1 * GIB), "1.0 GiB of memory"),
        (but(FIT, subnet_free=False), "docker network prune"),
        (but(USER, not_writable=(Path("/home/a"),)), "can't write into /home/a: clone into"),
    ],
)  # fmt: skip
def test_one_thing_is_missing(machine, expected):
    assert expected in told(machine)
    assert len(needs.missing(machine)) == 1 or machine.engine is None


def test_everything_that_is_missing_is_told_at_once():
    bare = but(
        USER, engine=None, engine_trouble="the `docker` command is not installed", python="",
        commands=frozenset({"apt-get"}), docker_group=False, trust_writable=False,
        docker_disk=0, cache_disk=0,
    )  # fmt: skip
    told_ = told(bare)
    for part in ("python3-venv", "docker.io", "mmdebstrap", "uidmap", "usermod", "certs.d",
                 "/var/lib/docker", "/root/.cache"):  # fmt: skip
        assert part in told_


def test_what_it_does_without_is_said():
    without = but(FIT, modules={**FIT.modules, "esp4": False, "ip_vs": False})
    assert [line.split(":")[0] for line in needs.notes(without)] == [
        "the kernel has no esp4",
        "the kernel has no ip_vs",
    ]
    assert needs.notes(FIT) == []
    assert "ufw allow from 172.28.0.0/14" in needs.notes(but(FIT, firewall=True))[0]


def test_root_and_who_has_the_images_need_no_namespaces():
    lacking = {"subordinate_ids": False, "namespaces": "EPERM"}
    assert told(but(FIT, **lacking)) == ""
    assert told(but(USER, images_built=True, **lacking)) == ""


@pytest.mark.parametrize(
    ("entry", "enough"),
    [("dev:100000:65536", True), ("1000:100000:65536", True), ("dev:1:10", False), ("", False)],
)
def test_subordinate_ids(tmp_path, entry, enough):
    for name in ("subuid", "subgid"):
        (tmp_path / name).write_text(f"other:1:65536\n{entry}\n")
    assert machine.subordinate_ids("dev", 1000, tmp_path) == enough


def test_who_is_in_the_group_docker_is_not_told_to_join_it():
    """The engine is off, which the one remedy tells."""
    off = but(USER, engine=None, engine_trouble="refused")
    assert [need.remedy for need in needs.missing(off)] == ["sudo systemctl start docker"]
    assert "usermod -aG docker" in told(but(off, docker_group=False))


def test_a_command_of_root_is_found_off_a_users_path(monkeypatch):
    """On Debian no user has /usr/sbin on PATH, where dockerd is."""
    monkeypatch.setenv("PATH", "/nowhere")
    assert packages.where("chroot") == "/usr/sbin/chroot"
    assert packages.missing(["chroot", "no-such-command"]) == ["no-such-command"]


def test_a_kernels_modules_are_found_wherever_it_names_them(tmp_path):
    (tmp_path / "sys/module/overlay").mkdir(parents=True)
    folder = tmp_path / "lib/modules/6.1.0"
    folder.mkdir(parents=True)
    (folder / "modules.builtin").write_text("kernel/net/bridge/bridge.ko\n")
    (folder / "modules.dep").write_text(
        "kernel/drivers/net/vxlan/vxlan.ko.xz: kernel/net/ipv4/udp_tunnel.ko.xz\n"
        "kernel/net/bridge/br-netfilter.ko: \n"
    )
    found = machine.modules("6.1.0", tmp_path)
    assert {name for name, there in found.items() if there} == {
        "overlay", "bridge", "vxlan", "br_netfilter"
    }  # fmt: skip
    assert found["esp4"] is False


def test_a_kernel_that_tells_nothing_is_not_accused(tmp_path):
    assert set(machine.modules("6.1.0", tmp_path).values()) == {None}
    (tmp_path / "boot").mkdir()
    (tmp_path / "boot/config-6.1.0").write_text("CONFIG_VXLAN=m\n# CONFIG_INET_ESP is not set\n")
    found = machine.modules("6.1.0", tmp_path)
    assert (found["vxlan"], found["esp4"]) == (True, False)


def test_controllers_of_both_versions(tmp_path):
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cgroups").write_text(
        "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t1\t1\t1\nmemory\t2\t1\t0\n"
    )
    assert machine.controllers(tmp_path) == {"cpu"}
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/cgroup.controllers").write_text("cpu memory pids\n")
    assert machine.controllers(tmp_path) == {"cpu", "memory", "pids"}


def test_it_runs_before_any_package_is_installed():
    """On the standard library alone, and without changing anything."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", "import sys; sys.path[:0] = ['.']; import ops.doctor"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_who_has_only_a_number_has_no_name(monkeypatch):
    """As in `docker run --user 12345`."""
    monkeypatch.setattr(machine.os, "getuid", lambda: 999_999)
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    assert machine._user() == ""


def test_a_folder_is_judged_by_the_nearest_one_that_is_there(tmp_path):
    assert machine._may_write(tmp_path / "a" / "b")
    (tmp_path / "file").touch()
    assert not machine._may_write(tmp_path / "file" / "a")
