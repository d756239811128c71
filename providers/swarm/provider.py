"""The package `swarm`: its configuration and its resources."""

from __future__ import annotations

import asyncssh

from providers.runtime.declare import Fault, Provider
from providers.swarm import (
    certificate,
    cluster,
    config,
    job,
    keypair,
    member,
    network,
    node_setup,
    schedule,
    secret,
    service,
    volume,
    volume_home,
)
from providers.swarm.pool import Pool, SwarmConfig


class Swarm(Provider):
    """Docker Swarm, reached by ssh through whichever manager answers."""

    name = "swarm"
    version = "0.1.0"
    Config = SwarmConfig
    lifecycles = (
        keypair.KeyPair,
        certificate.Certificate,
        node_setup.NodeSetup,
        cluster.Cluster,
        member.Member,
        network.Network,
        secret.Secret,
        config.Config,
        service.Service,
        job.Job,
        schedule.Schedule,
        volume_home.VolumeHome,
        volume.Volume,
    )

    def __init__(self) -> None:
        self._pools: list[Pool] = []

    @staticmethod
    def check_config(config: SwarmConfig) -> list[Fault]:
        """Empty configuration is valid, too: `KeyPair` and `Certificate` need no cluster."""
        faults = []
        for index, manager in enumerate(config.managers):
            try:
                asyncssh.import_public_key(manager.host_key)
            except asyncssh.KeyImportError:
                reason = 'expected a public key line, "ssh-ed25519 AAAA…"'
                faults.append(Fault(f"managers[{index}].hostKey", reason))
        if config.managers and not config.user:
            faults.append(Fault("user", "missing: the login user for ssh to the managers"))
        if config.managers and not config.private_key:
            faults.append(Fault("privateKey", "missing: the OpenSSH private key of that user"))
        return faults

    def configure(self, config: SwarmConfig) -> Pool:
        pool = Pool(config)
        self._pools.append(pool)
        return pool

    async def close(self) -> None:
        for pool in self._pools:
            await pool.close()
