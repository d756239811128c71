"""Instances as real machines: booted by cloud-init, reached by ssh, gone when terminated."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from simulator import cloud, engine, node_image, process
from simulator.docker import docker
from tests.provider.swarm.services.samples import IMAGE, SERVE, load_image
from tests.support import scanning
from tests.support.polling import until

pytestmark = [pytest.mark.containers, pytest.mark.slow]


@pytest.fixture(scope="module")
def ruleset(user):
    """The id of a ruleset without rules."""
    body = {"name": "pair", "region": "us-east-1", "rules": []}
    return user.call("POST", "/firewall-rulesets", body)["id"]


@pytest.fixture(scope="module")
def pair(user, ruleset):
    """Two machines with the ruleset, booted at the same time: (id, address) of each."""
    extra = "write_files:\n- {path: /opt/given, content: from user_data}\n"
    identities = [
        user.launch(name, user_data=extra, rulesets=[ruleset]) for name in ("first", "second")
    ]
    with ThreadPoolExecutor(2) as pool:
        return list(zip(identities, pool.map(user.booted, identities), strict=True))


def test_a_machine_is_what_was_launched(user, pair):
    identity, address = pair[0]
    assert user.ssh(address, "hostname; cat /opt/given") == "first\nfrom user_data"
    assert user.ssh(address, "id -un; sudo id -un") == "ubuntu\nroot"
    assert "docker" not in user.ssh(address, "id -Gn").split()
    assert user.ssh(address, "sudo docker info --format {{.ServerVersion}}")
    private = user.instance(identity)["private_ip"]
    assert private != address
    assert {private, address} <= set(user.ssh(address, "hostname -I").split())


def test_a_machines_containers_are_in_its_own_part_of_the_cgroups(user, pair):
    """So that they disappear with it, and their resources count as its own."""
    address = pair[0][1]
    container = docker("inspect", "--format", "{{.Id}}", f"{user.simulator}-first")
    if engine.version().cgroup == "1":
        assert f"/{container}/docker" in user.ssh(address, "cat /etc/default/docker")
    else:
        told = user.ssh(address, "sudo docker info --format '{{.CgroupDriver}} {{.CgroupVersion}}'")
        assert told == "systemd 2"
        assert (
            docker("exec", f"{user.simulator}-first", "cat", "/proc/1/cgroup") == "0::/init.scope"
        )
        assert user.ssh(address, "cat /proc/self/cgroup").startswith("0::/system.slice/ssh")


def test_another_host_key_is_not_accepted(user, pair, tmp_path):
    """The check of the check: strict means strict."""
    keys = user.keys
    theirs = (keys / "host.pub").read_text()
    (keys / "host.pub").write_text((keys / "user.pub").read_text())
    try:
        with pytest.raises(AssertionError, match="Host key verification failed"):
            user.ssh(pair[0][1], "true")
    finally:
        (keys / "host.pub").write_text(theirs)


def test_machines_reach_one_another_the_api_and_the_registry(user, pair):
    (_, first), (_, second) = pair
    status = "curl -s -k -m 5 -o /dev/null -w %{http_code}"
    assert user.ssh(first, f"{status} {user.cloud.url}/instances") == "401"
    assert user.ssh(first, f"{status} https://{user.cloud.registry.server}/v2/") == "401"
    banner = f"timeout 5 bash -c 'head -c 7 < /dev/tcp/{second}/22'"
    assert user.ssh(first, banner) == "SSH-2.0"


PORTS = [f"tcp/{port}" for port in (22, 2375, 2377, 7946, 8080, 9323)]
PORTS += [f"udp/{port}" for port in (4789, 5353, 7946)]
LISTEN = """
import socketserver, threading
class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        if isinstance(self.request, tuple):
            self.request[1].sendto(b"!", self.client_address)
for port in (2375, 7946, 8080):
    server = socketserver.ThreadingTCPServer(("", port), Echo)
    threading.Thread(target=server.serve_forever).start()
for port in (4789, 7946):
    server = socketserver.ThreadingUDPServer(("", port), Echo)
    threading.Thread(target=server.serve_forever).start()
"""


@pytest.fixture
def world(user):
    """What an outsider sees of an address."""
    stranger = str(user.cloud.settings.network[252])
    return lambda address: scanning.from_outside(user.simulator, stranger, address, PORTS)


def allowed(protocol, source, port):
    rule = {"protocol": protocol, "port_range": [port, port], "source_network": source}
    return rule | {"description": ""}


def test_only_what_a_rule_lets_in_gets_an_answer(user, pair, ruleset, world):
    node, (_, address) = f"{user.simulator}-first", pair[1]
    private, mine = (user.instance(identity)["private_ip"] for identity, _ in reversed(pair))
    second = f"{user.simulator}-second"
    docker("exec", "--detach", second, "python3", "-c", LISTEN)
    load_image(node_image.RECIPE.tag, [second])
    publish = ("docker", "run", "--detach", "--publish", "9323:80", IMAGE, "/bin/sh", "-c", SERVE)
    docker("exec", second, *publish)
    until(
        lambda: docker("exec", second, "ss", "-Hltu").count("7946"),
        lambda count: count == 2, "listening",
    )  # fmt: skip
    ssh = {"tcp/22": "open"}
    assert world(address) == ssh
    assert scanning.from_node(node, address, PORTS) == ssh
    assert scanning.from_node(node, private, PORTS) == ssh

    swarm = [("tcp", 2377), ("tcp", 7946), ("udp", 7946), ("udp", 4789)]
    rules = [allowed(protocol, mine, port) for protocol, port in swarm]
    rules.append(allowed("tcp", "0.0.0.0/0", 8080))
    user.call("PATCH", f"/firewall-rulesets/{ruleset}", {"rules": rules})
    published = ssh | {"tcp/8080": "open"}
    among = {"tcp/2377": "closed", "tcp/7946": "open", "udp/7946": "open", "udp/4789": "open"}
    assert world(address) == published
    assert scanning.from_node(node, private, PORTS) == published | among
    assert scanning.from_node(node, address, PORTS) == published, "it comes with its public address"

    docker("exec", second, "systemctl", "restart", "docker")
    assert world(address) == published
    docker("exec", second, *publish)
    rules.append(allowed("tcp", "0.0.0.0/0", 9323))
    user.call("PATCH", f"/firewall-rulesets/{ruleset}", {"rules": rules})
    # Its container refuses, so this went through: the rule meant the published port.
    assert world(address) == published | {"tcp/9323": "closed"}
    user.call("PATCH", f"/firewall-rulesets/{ruleset}", {"rules": rules[:-1]})

    user.call("PUT", "/firewall-rules", {"data": []})
    assert world(address) == {"tcp/8080": "open"}
    user.call("PUT", "/firewall-rules", {"data": [allowed("tcp", "0.0.0.0/0", 22)]})
    assert world(address) == published


def test_an_image_goes_from_the_host_to_a_machine(user, pair, tmp_path):
    registry = user.cloud.registry
    image = f"{registry.server}/trial:1"
    login = ("login", registry.server, "--username", "sophia", "--password-stdin")
    config = ("--config", str(tmp_path))
    docker("import", "-", image, stdin=_tar_of_nothing())
    try:
        docker(*config, *login, stdin=registry.password.encode())
        docker(*config, "push", "--quiet", image)
    finally:
        docker("image", "rm", image)
    address = pair[0][1]
    folder = f"/etc/docker/certs.d/{registry.server}"
    user.ssh(
        address,
        f"sudo mkdir -p {folder} && sudo tee {folder}/ca.crt",
        registry.ca_file.read_bytes(),
    )
    with pytest.raises(AssertionError, match="no basic auth credentials"):
        user.ssh(address, f"sudo docker pull {image}")
    user.ssh(address, f"sudo docker {' '.join(login)}", registry.password.encode())
    assert user.ssh(address, f"sudo docker pull --quiet {image}") == image


def test_the_server_comes_back_as_it_was_after_a_kill(user, pair):
    before = user.call("GET", "/instances")
    for pid in process.find(user.cloud.folder):
        os.kill(pid, signal.SIGKILL)
    until(lambda: process.find(user.cloud.folder), lambda pids: pids == [], "the server's end")
    again = cloud.up(user.cloud.folder)
    assert again.env == user.cloud.env
    assert user.call("GET", "/instances") == before


def test_a_second_up_changes_nothing(user, pair):
    pids = process.find(user.cloud.folder)
    assert cloud.up(user.cloud.folder).env == user.cloud.env
    assert process.find(user.cloud.folder) == pids


def test_a_stopped_machine_is_unhealthy_and_up_leaves_it_so(user, pair, world):
    identity, address = pair[1]
    docker("kill", f"{user.simulator}-second")
    assert user.instance(identity)["status"] == "unhealthy"
    cloud.up(user.cloud.folder)
    assert user.instance(identity)["status"] == "unhealthy"
    user.call("POST", "/instance-operations/restart", {"instance_ids": [identity]})
    assert user.booted(identity) == address
    assert world(address) == {"tcp/22": "open", "tcp/8080": "closed"}, "the rules outlive a reboot"


def test_machines_start_again_after_the_host_was_rebooted(user, pair, monkeypatch):
    """All containers and the server end, and the host's power is another one."""
    for pid in process.find(user.cloud.folder):
        os.kill(pid, signal.SIGKILL)
    docker("kill", *(f"{user.simulator}-{name}" for name in ("first", "second", "registry")))
    monkeypatch.setattr("simulator.engine.power_id", lambda: "after the reboot")
    cloud.up(user.cloud.folder)
    for identity, address in pair:
        assert user.booted(identity) == address
        assert user.ssh(address, "cat /opt/given") == "from user_data"
    assert docker("inspect", "--format", "{{.State.Running}}", f"{user.simulator}-registry")


def test_terminating_leaves_nothing_of_a_machine(user, pair, left):
    """Last, for it ends the pair."""
    name = f"{user.simulator}-first"
    container = docker("inspect", "--format", "{{.Id}}", name)
    groups = list(Path("/sys/fs/cgroup").glob(f"**/*{container}*"))
    assert groups
    user.terminate(pair[0][0])
    assert left(user.simulator)["containers"] == [
        f"{user.simulator}-second",
        f"{user.simulator}-registry",
    ]
    assert f"{name}-docker" not in left(user.simulator)["volumes"]
    assert not [group for group in groups if group.exists()]
    # After removal by hand it can still be terminated.
    docker("rm", "--force", f"{user.simulator}-second")
    assert user.instance(pair[1][0])["status"] == "unhealthy"
    user.terminate(pair[1][0])
    assert left(user.simulator)["volumes"] == [f"{user.simulator}-registry"]


def _tar_of_nothing() -> bytes:
    import io
    import tarfile

    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        entry = tarfile.TarInfo("trial")
        tar.addfile(entry, io.BytesIO())
    return archive.getvalue()
