"""When the majority of managers is given up: never by itself, never while one lives."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from providers.runtime.declare import Context
from providers.swarm.cluster import Cluster
from providers.swarm.engine import Endpoint
from providers.swarm.errors import NoManager, QuorumAtRisk
from providers.swarm.recovery import Seen, refusal
from tests.unit.swarm.test_pool import (
    ABSENT,
    FOUNDER,
    OUTSIDE,
    PLACES,
    RECORDED,
    info,
    pool_of,
)

THREE = [Endpoint(f"192.0.2.{number}", "key") for number in (1, 2, 3)]


def manager(cluster="", managers=3, error="no leader"):
    remote = [{"NodeID": f"n{number}"} for number in range(1, managers)]
    return {**info(cluster=cluster, error=error)["Swarm"], "RemoteManagers": remote}


def looks(*said):
    return [Seen(place, swarm) for place, swarm in zip(THREE, said, strict=False)]


WORKER = info(control=False)["Swarm"]


@pytest.mark.parametrize(
    ("said", "contacts", "why"),
    [
        ([None, manager(), None], THREE, ""),
        ([None, manager("ours"), None], THREE, ""),
        ([None, manager(managers=5), manager(managers=5)], THREE, ""),
        ([manager(), manager(), None], THREE, "2 of 3 managers live, which is a majority"),
        ([None, manager(managers=1), None], THREE[1:2], "1 of 1 managers live"),
        ([None, manager("theirs"), None], THREE, "a manager of another cluster, theirs"),
        ([None, None, None], THREE, "not a manager now (no answer)"),
        ([None, WORKER, None], THREE, "not a manager now (state active)"),
        ([None, manager(), None], THREE[:1], "not a manager of cluster ours when"),
        ([manager()], THREE, "not a manager of cluster ours when"),
    ],
)
def test_refusal(said, contacts, why):
    assert refusal("192.0.2.2", "ours", contacts, looks(*said)).startswith(why)
    assert bool(refusal("192.0.2.2", "ours", contacts, looks(*said))) is bool(why)


@pytest.fixture
def context():
    lines = []
    return Context("urn:pulumi:dev::sophia::t::n", 5.0, asyncio.Event(), print, lines.append)


def lost(cluster=""):
    return {"Swarm": manager(cluster) | {"NodeAddr": "198.51.100.1"}}


WISHED = replace(FOUNDER, recover_on=PLACES[0].address)
KNOWN = replace(RECORDED, contacts=PLACES)
SWARM = {"ID": "ours", "JoinTokens": {"Manager": "m", "Worker": "w"}}


async def test_the_survivor_goes_on_alone_where_that_is_wished(monkeypatch, context):
    pool, (first, _) = pool_of(monkeypatch, lost(), ABSENT, patience=0.3)
    first.answers["/swarm"] = SWARM
    request, sent = first.request, []

    async def initialised(method, path, *, body=None, **options):
        if (method, path) == ("POST", "/swarm/init"):
            sent.append(body)
            first.answers["/info"] = info()
            return "id"
        return await request(method, path, **options)

    first.request = initialised
    outputs = await Cluster(pool).update(context, "ours", FOUNDER, KNOWN, WISHED)
    assert outputs.cluster_id == "ours"
    (body,) = sent
    assert body["ForceNewCluster"] is True
    assert body["AdvertiseAddr"] == "198.51.100.1"
    assert body["Spec"]["Labels"] == {"sophia.cluster": "sophia/dev/n"}
    told = "\n".join(context.warn.__self__)
    assert "192.0.2.2 did not answer" in told
    assert "remove `recover` from the configuration" in told

    again = await Cluster(pool).update(context, "ours", FOUNDER, outputs, WISHED)
    assert again.cluster_id == "ours"
    assert len(sent) == 1, "a cluster that has a leader is left alone"
    found = await Cluster(pool).read(context, "ours", WISHED, outputs)
    assert found is not None
    assert "recoverOn (192.0.2.1) is no longer needed" in context.warn.__self__[-1]


@pytest.mark.parametrize("other", [lost(), OUTSIDE], ids=["a majority lives", "it left"])
async def test_nothing_is_given_up_without_need(monkeypatch, context, other):
    one = lost() if other != OUTSIDE else OUTSIDE
    pool, (first, second) = pool_of(monkeypatch, one, other, patience=0.3)
    with pytest.raises((QuorumAtRisk, NoManager)):
        await Cluster(pool).update(context, "ours", FOUNDER, KNOWN, WISHED)
    assert not [asked for asked in first.asked + second.asked if asked[0] == "POST"]


async def test_nothing_is_given_up_unless_it_is_wished(monkeypatch, context):
    pool, (first, _) = pool_of(monkeypatch, lost(), ABSENT, patience=0.3)
    with pytest.raises(NoManager, match=r"set `recover\.on` to its name"):
        await Cluster(pool).update(context, "ours", FOUNDER, KNOWN, FOUNDER)
    assert not [asked for asked in first.asked if asked[0] == "POST"]
