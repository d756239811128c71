"""What a cloud serves to a machine at a link-local address is hidden from its containers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from components.plan import node_setup
from providers.swarm.node_setup import NodeSetup, NodeSetupOutputs, SetupFile
from providers.swarm.pool import Pool
from simulator import node_image
from simulator.docker import docker
from tests.provider.swarm.fleet import Fleet, Machine, make_context, on, setup_of, started
from tests.provider.swarm.services.samples import IMAGE, load_image
from tests.provider.swarm.services.samples import SERVE as STAY
from tests.support.polling import until

pytestmark = [pytest.mark.containers, pytest.mark.slow]

UNIT = "/etc/systemd/system/sophia-link-local.service"
METADATA, OTHER = "169.254.169.254", "198.51.100.7"
SERVE = f"""\
set -e
ip address add {METADATA}/32 dev eth0
ip address add {OTHER}/32 dev eth0
echo user-data >/srv/index.html
python3 -m http.server --directory /srv 80 &
exec python3 -m http.server --directory /srv 53
"""
NOTHING = NodeSetupOutputs()


@contextlib.contextmanager
def cloud(fleet: Fleet) -> Iterator[None]:
    """Answers at METADATA and OTHER, at the resolver's port, too, on the machines' network."""
    name = f"{fleet.prefix}-cloud"
    place = ("--name", name, "--network", f"{fleet.prefix}-net", "--cap-add", "NET_ADMIN")
    docker("run", "--detach", *place, node_image.RECIPE.tag, "sh", "-c", SERVE)
    try:
        yield
    finally:
        docker("rm", "--force", name)


ASK = f"""
for url in http://{METADATA}/ http://{METADATA}:53/ http://{OTHER}/; do
  $* curl --silent --max-time 5 $url || echo silence
done
"""


def told(machine: Machine, container: str = "") -> list[str]:
    """What the machine, or what runs in its container, is told by METADATA, at its resolver's port,
    and by OTHER."""
    ask = ASK
    if container:
        pid = f"$(docker inspect --format {{{{.State.Pid}}}} {container})"
        ask = f"set -- nsenter --target {pid} --net; {ASK}"
    return on(machine, "sh", "-c", ask).split()


async def test_containers_are_not_told_what_the_machine_is(fleet: Fleet) -> None:
    (nora,) = await fleet.start("nora")
    pool = Pool(fleet.config(nora))
    setup = NodeSetup(pool)
    content = node_setup.files(gpu=False, registry_server="", registry_ca="")[UNIT]
    bare, inputs = setup_of(nora, fleet), setup_of(nora, fleet, SetupFile(UNIT, content))

    load_image(node_image.ensure(print), [nora.container])
    on(nora, "docker", "swarm", "init", "--advertise-addr", nora.address)
    on(nora, "docker", "network", "create", "--driver", "overlay", "--attachable", "overlay")
    for network in ("bridge", "overlay"):
        place = ("--name", network, "--network", network)
        on(nora, "docker", "run", "--detach", *place, IMAGE, "/bin/sh", "-c", STAY)

    def asked() -> list[list[str]]:
        return [told(nora), told(nora, "bridge"), told(nora, "overlay")]

    whole, kept = ["user-data"] * 3, ["silence", "user-data", "user-data"]
    with cloud(fleet):
        # As a cloud's DHCP tells them.
        for address in (METADATA, OTHER):
            on(nora, "ip", "route", "add", address, "dev", "eth0")
        until(asked, lambda found: found == [whole] * 3, "the cloud's answers")

        # A machine in service: nothing restarts.
        before = started(nora)
        await setup.update(make_context(), "", bare, NOTHING, inputs)
        assert asked() == [whole, kept, kept]
        assert started(nora) == before

        # Docker starts as at a boot: nothing is left of its rules.
        on(nora, "systemctl", "stop", "docker", "docker.socket", "sophia-link-local")
        on(nora, "iptables", "--flush")
        on(nora, "iptables", "--delete-chain", "DOCKER-USER")
        on(nora, "systemctl", "start", "docker")
        until(lambda: on(nora, "docker", "start", "bridge", "overlay"), bool, "the containers")
        assert asked() == [whole, kept, kept]

        # Again, as after an interrupted run: there is one rule of each kind.
        await setup.update(make_context(), "", bare, NOTHING, inputs)
        assert on(nora, "iptables", "--list-rules", "DOCKER-USER").count("REJECT --reject") == 2

    # What somebody stops is found by a refresh.
    assert (await setup.read(make_context(), "", inputs, NOTHING)).outputs == NOTHING
    on(nora, "systemctl", "disable", "--now", "sophia-link-local")
    found = (await setup.read(make_context(), "", inputs, NOTHING)).outputs
    assert found.differs == [UNIT]
    await setup.update(make_context(), "", inputs, found, inputs)
    assert on(nora, "systemctl", "is-enabled", "sophia-link-local") == "enabled"
    await setup.update(make_context(), "", inputs, NOTHING, bare)
    assert "sophia-link-local" not in on(nora, "systemctl", "list-units", "--all")
    await pool.close()
    fleet.remove(nora)
