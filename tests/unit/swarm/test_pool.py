"""Which manager is asked, what is repeated, and what happens if none answers. No nodes here."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace

import asyncssh
import pytest

from providers.runtime.declare import Cancelled, Context
from providers.swarm import engine as engine_module
from providers.swarm import pool as pool_module
from providers.swarm.cluster import Cluster, ClusterInputs, ClusterOutputs, Founder
from providers.swarm.engine import Endpoint, Engine
from providers.swarm.errors import (
    ConnectionFailed,
    EngineError,
    Leaderless,
    NoManager,
    Unanswered,
)
from providers.swarm.joining import Joiner, _ask_to_join
from providers.swarm.member import Member, MemberInputs, MemberOutputs
from providers.swarm.pool import Pool, SwarmConfig
from providers.swarm.provider import Swarm

PLACES = [Endpoint(f"192.0.2.{number}", f"key {number}") for number in (1, 2)]


class Node:
    """An Engine whose answers are given: a value, or an exception to raise."""

    def __init__(self, endpoint, info):
        self.endpoint, self.address = endpoint, endpoint.address
        self.answers = {"/info": info}
        self.asked = []

    async def request(self, method, path, **options):
        self.asked.append((method, path))
        answer = self.answers[path]
        if isinstance(answer, list):
            answer = answer.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def close(self):
        pass


def info(state="active", control=True, cluster="ours", error=""):
    return {
        "Swarm": {
            "LocalNodeState": state,
            "ControlAvailable": control,
            "Error": error,
            "NodeID": "n",
            "Cluster": {"ID": cluster} if control else None,
        }
    }


OUTSIDE = info("inactive", control=False)
ABSENT = ConnectionFailed("can't be reached by ssh")


def pool_of(monkeypatch, first, second, patience=1.5):
    """patience: less where nobody comes back."""
    monkeypatch.setattr(pool_module, "ABSENCE", 0.2)
    monkeypatch.setattr(pool_module, "PATIENCE", patience)
    monkeypatch.setattr(pool_module, "_ROUND", 0.05)
    pool = Pool(SwarmConfig(managers=PLACES, user="u", private_key="k", cluster_id="ours"))
    nodes = [Node(PLACES[0], first), Node(PLACES[1], second)]
    pool._engines.update(zip(PLACES, nodes, strict=True))
    return pool, nodes


@pytest.fixture
def context():
    lines = []
    return Context(
        "urn:pulumi:dev::sophia::t::n", 60.0, asyncio.Event(), lines.append, lines.append
    )


@pytest.mark.parametrize(
    "other",
    [ABSENT, OUTSIDE, info(cluster="another"), info(error="no leader"), Unanswered("silent")],
    ids=["absent", "outside", "another cluster", "leaderless", "silent"],
)
async def test_the_one_that_can_speak_for_the_cluster_is_asked(monkeypatch, other):
    pool, nodes = pool_of(monkeypatch, other, info())
    nodes[1].answers["/nodes"] = ["x"]
    assert await pool.request("GET", "/nodes") == "x"


async def test_a_manager_that_proved_itself_is_not_asked_each_time(monkeypatch):
    pool, nodes = pool_of(monkeypatch, ABSENT, info())
    nodes[1].answers["/nodes"] = "x"
    for _ in range(5):
        await pool.request("GET", "/nodes")
    assert nodes[1].asked.count(("GET", "/info")) == 1


async def test_an_election_is_waited_for(monkeypatch):
    electing = info(error="no leader")
    pool, nodes = pool_of(monkeypatch, ABSENT, [electing] * 8 + [info()])
    nodes[1].answers["/nodes"] = "x"
    assert await pool.request("GET", "/nodes") == "x"


class Slow(Node):
    """A manager that answers, in its own time."""

    async def request(self, method, path, **options):
        if path == "/info" and options["within"] < 10.0:
            raise Unanswered("no answer yet")
        return await super().request(method, path, **options)


async def test_a_manager_that_is_slow_gets_longer_each_time(monkeypatch):
    pool, _ = pool_of(monkeypatch, ABSENT, ABSENT)
    pool._engines[PLACES[1]] = slow = Slow(PLACES[1], info())
    slow.answers["/nodes"] = "x"
    assert await pool.request("GET", "/nodes") == "x"


@contextlib.asynccontextmanager
async def sshd(monkeypatch, server=asyncssh.SSHServer):
    """An Engine whose machine is an ssh server of this process."""
    host, user = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    async with await asyncssh.listen(
        "127.0.0.1", 0, server_factory=server, server_host_keys=[host]
    ) as listening:
        monkeypatch.setattr(engine_module, "SSH", listening.get_port())
        place = Endpoint("127.0.0.1", host.export_public_key().decode())
        yield Engine(place, "u", user.export_private_key().decode())


class Busy(asyncssh.SSHServer):
    """As on a machine that is busy: the kernel takes the connection at once, sshd needs a while."""

    async def begin_auth(self, username):
        await asyncio.sleep(0.6)
        return False


class Open(asyncssh.SSHServer):
    def begin_auth(self, username):
        return False


async def test_a_login_may_take_longer_than_the_connection(monkeypatch):
    monkeypatch.setattr(engine_module, "ANSWER", 0.2)
    async with sshd(monkeypatch, Busy) as engine, await engine._open() as opened:
        assert not opened.is_closed()


async def test_a_socket_that_cant_be_forwarded_is_said_and_leaves_no_connection(
    monkeypatch, tmp_path
):
    """For example in a temporary directory whose name is longer than a socket's may be."""
    monkeypatch.setattr(engine_module, "_socket_folder", lambda: tmp_path / ("x" * 200))
    async with sshd(monkeypatch, Open) as engine:
        with pytest.raises(ConnectionFailed, match=r"^127\.0\.0\.1: .*can't be forwarded"):
            await engine.request("GET", "/info")
        assert engine._ssh is None


async def test_none_answers(monkeypatch):
    pool, nodes = pool_of(monkeypatch, ABSENT, OUTSIDE)
    with pytest.raises(NoManager, match=r"cluster ours .*inactive.*can't be reached") as caught:
        await pool.request("GET", "/nodes")
    assert not caught.value.dissolved
    before = len(nodes[0].asked)
    with pytest.raises(NoManager):  # the next call doesn't wait once more
        await pool.request("GET", "/nodes")
    assert len(nodes[0].asked) == before + 1


async def test_reads_are_repeated_and_changes_only_where_nothing_was_done(monkeypatch):
    pool, nodes = pool_of(monkeypatch, info(), ABSENT)
    nodes[0].answers["/x"] = [Unanswered("lost"), "read"]
    assert await pool.request("GET", "/x") == "read"
    nodes[0].answers["/x"] = [Leaderless("x", 503, "no leader"), "written"]
    assert await pool.request("POST", "/x") == "written"
    nodes[0].answers["/x"] = [Unanswered("lost"), "written twice"]
    with pytest.raises(Unanswered):
        await pool.request("POST", "/x")


async def test_an_interrupt_ends_the_wait(monkeypatch, context):
    pool, _ = pool_of(monkeypatch, ABSENT, ABSENT)
    context.cancelled.set()
    with pytest.raises(Cancelled):
        await pool.request("GET", "/x", context=context)


RECORDED = ClusterOutputs("ours", "manager token", "worker token", [], "reachable")
FOUNDER = ClusterInputs(founder=Founder(PLACES[0].address, PLACES[0].host_key, "198.51.100.1"))


async def test_a_cluster_that_nobody_answers_for_is_not_gone(monkeypatch, context):
    """Reporting it as gone would create a second swarm; an exception would stop `destroy`."""
    pool, _ = pool_of(monkeypatch, ABSENT, OUTSIDE)
    found = await Cluster(pool).read(context, "ours", FOUNDER, RECORDED)
    assert found.outputs == replace(RECORDED, status="unreachable")
    assert Cluster.drifted(found.inputs, found.outputs)
    with pytest.raises(NoManager, match="pulumi state delete --target-dependents"):
        await Cluster(pool).update(context, "ours", FOUNDER, found.outputs, FOUNDER)


async def test_former_managers_keep_a_cluster_from_being_gone(monkeypatch, context):
    pool, nodes = pool_of(monkeypatch, OUTSIDE, ABSENT)
    pool.config = replace(pool.config, managers=PLACES[:1])
    recorded = replace(RECORDED, contacts=PLACES[1:])
    assert await Cluster(pool).read(context, "ours", FOUNDER, recorded) is not None
    nodes[1].answers["/info"] = OUTSIDE  # both say so: it was dissolved by hand
    assert await Cluster(pool).read(context, "ours", FOUNDER, recorded) is None


async def test_a_cluster_ends_though_nothing_answers(monkeypatch, context):
    """The engine asks no member then: they are deleted with it."""
    pool, _ = pool_of(monkeypatch, ABSENT, ABSENT)
    inputs = MemberInputs("a", "192.0.2.1", "key 1", "198.51.100.1", "i", "ours", "t", "t")
    outputs = MemberOutputs("n", "ready")
    found = await Member(pool).read(context, "n", inputs, outputs)
    assert found.outputs.state == "unreachable"
    await Cluster(pool).delete(context, "ours", FOUNDER, RECORDED)


async def test_what_we_ended_is_gone_though_one_of_its_managers_is_silent(monkeypatch):
    pool, _ = pool_of(monkeypatch, ABSENT, OUTSIDE)
    pool.give_up("ours")
    with pytest.raises(NoManager) as caught:
        await pool.request("GET", "/nodes")
    assert caught.value.dissolved


@pytest.mark.parametrize(
    ("other", "leaves"),
    [(ABSENT, False), (info(error="no leader"), False), (OUTSIDE, True)],
    ids=["absent", "leaderless", "outside"],
)
async def test_a_node_leaves_by_force_only_once_the_swarm_has_ended(
    monkeypatch, context, other, leaves
):
    """Without a leader now, the swarm may depend on this node: by force it would lose its
    majority."""
    first = OUTSIDE if leaves else info(error="no leader")
    pool, _ = pool_of(monkeypatch, first, other, patience=0.3)
    place = Node(Endpoint("192.0.2.9", "key 9"), info(control=False))
    place.answers["/swarm/leave"] = ""
    pool._engines[place.endpoint] = place
    inputs = MemberInputs("a", "192.0.2.9", "key 9", "198.51.100.1", "i", "ours", "t", "t")
    leaving = Member(pool).delete(context, "n", inputs, MemberOutputs("n", "ready"))
    if leaves:
        await leaving
    else:
        with pytest.raises(NoManager, match=r"node a stays in the swarm: .*pulumi state delete"):
            await leaving
    assert (("POST", "/swarm/leave") in place.asked) is leaves


async def test_no_swarm_is_initialised_while_a_possible_manager_is_silent(monkeypatch, context):
    monkeypatch.setattr("providers.swarm.cluster.ABSENCE", 0.0)
    pool, nodes = pool_of(monkeypatch, OUTSIDE, ABSENT)
    nodes[0].answers["/swarm/init"] = "id"
    with pytest.raises(ConnectionFailed):
        await asyncio.wait_for(Cluster(pool).create(context, FOUNDER), 30)
    assert ("POST", "/swarm/init") not in nodes[0].asked


async def test_the_token_is_cut_out_of_the_engines_words():
    node = Node(PLACES[0], info())
    node.answers["/swarm/join"] = EngineError("x", 400, "invalid join token SWMTKN-1-abc")
    joiner = Joiner("gpu-1", frozenset(), "198.51.100.1", "SWMTKN-1-abc", "active")
    with pytest.raises(EngineError) as caught:
        await _ask_to_join(node, joiner, [])
    assert "SWMTKN" not in str(caught.value) + repr(joiner)


def test_faults_name_the_key():
    inputs = replace(FOUNDER, address_pools=["10.0.0.0/28", "ten"], data_path_port=80)
    assert {fault.path for fault in Cluster.check(inputs)} == {
        "addressPools[0]",
        "addressPools[1]",
        "dataPathPort",
    }
    member = MemberInputs("a", "b", "c", "d", "e", "f", "g", "h", role="boss", availability="off")
    member = replace(member, labels={"sophia.node": "x"})
    assert {fault.path for fault in Member.check(member)} == {
        "role",
        "availability",
        "labels.sophia.node",
    }
    config = SwarmConfig(managers=[Endpoint("192.0.2.1", "nonsense")])
    assert {fault.path for fault in Swarm.check_config(config)} == {
        "managers[0].hostKey",
        "user",
        "privateKey",
    }
    assert Swarm.check_config(SwarmConfig()) == []
