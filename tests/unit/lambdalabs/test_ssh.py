"""The look over SSH against a real SSH server in this process, and the real CUDA probe against a
driver that is a stand-in."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys

import asyncssh
import pytest

from providers.lambdalabs import ssh
from providers.lambdalabs.ssh import Door, NoAnswer, Unreached, knock, probe_cuda, read_verdict
from tests.support.shell import answer

HOST = asyncssh.generate_private_key("ssh-ed25519")
OTHER = asyncssh.generate_private_key("ssh-ed25519")
USER = asyncssh.generate_private_key("ssh-ed25519")


def public(key: asyncssh.SSHKey) -> str:
    return key.export_public_key().decode().strip()


def private(key: asyncssh.SSHKey) -> str:
    return key.export_private_key().decode()


@pytest.fixture
async def machine(tmp_path, monkeypatch):
    """An sshd on loopback; returns the commands it ran. Its port replaces 22."""
    ran: list[str] = []
    environment = {"PATH": f"{sys.prefix}/bin:/usr/bin:/bin"}

    async def handle(process: asyncssh.SSHServerProcess[bytes]) -> None:
        ran.append(process.command)
        await answer(process, environment)

    authorized = asyncssh.import_authorized_keys(public(USER))
    server = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_host_keys=[HOST],
        authorized_client_keys=authorized,
        process_factory=handle,
        encoding=None,
    )
    real = asyncssh.connect
    port = server.get_port()
    monkeypatch.setattr(asyncssh, "connect", lambda host, **o: real(host, port, **o))
    server.ran, server.environment = ran, environment
    yield server
    server.close()
    await server.wait_closed()


async def test_the_right_machine_lets_us_in(machine):
    await knock("127.0.0.1", Door("ubuntu", private(USER), public(HOST)))
    assert machine.ran == ["true"]


async def test_former_keys_are_tried_after_the_new_one(machine):
    """The machine was launched before a rotation, by a run that was killed."""
    await knock("127.0.0.1", Door("ubuntu", private(OTHER) + private(USER), public(HOST)))


async def test_another_host_key_is_refused_before_anything_is_said(machine):
    with pytest.raises(NoAnswer, match="host key other than") as raised:
        await knock("127.0.0.1", Door("ubuntu", private(USER), public(OTHER)))
    assert machine.ran == []
    assert not isinstance(raised.value, Unreached)


async def test_a_key_the_machine_does_not_know_is_told(machine):
    with pytest.raises(NoAnswer, match="refuses the key of user ubuntu") as raised:
        await knock("127.0.0.1", Door("ubuntu", private(OTHER), public(HOST)))
    assert not isinstance(raised.value, Unreached)


async def test_a_closed_port_is_told(machine):
    machine.close()
    await machine.wait_closed()
    with pytest.raises(Unreached, match=r"refused|failed"):
        await knock("127.0.0.1", Door("ubuntu", private(USER), public(HOST)))


async def test_a_port_that_says_nothing_is_told(monkeypatch):
    monkeypatch.setattr(ssh, "CONNECT_SECONDS", 0.2)
    silent = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    real = asyncssh.connect
    monkeypatch.setattr(asyncssh, "connect", lambda host, **o: real(host, port, **o))
    with pytest.raises(Unreached):
        await knock("127.0.0.1", Door("ubuntu", private(USER), public(HOST)))
    silent.close()


async def test_a_probe_that_hangs_was_heard(machine, monkeypatch):
    monkeypatch.setattr(ssh, "PROBE_SECONDS", 0.2)
    monkeypatch.setattr(ssh, "CUDA_PROBE", "import time; time.sleep(3)")
    with pytest.raises(NoAnswer, match="did not end within") as raised:
        await probe_cuda("127.0.0.1", Door("ubuntu", private(USER), public(HOST)), 1)
    assert not isinstance(raised.value, Unreached)


DRIVER = r"""
#include <stdint.h>
#include <string.h>
#include <stdlib.h>
static uint8_t memory[64];
int cuInit(unsigned flags) { return INIT; }
int cuGetErrorName(int error, const char **name) {
    *name = "CUDA_ERROR_SYSTEM_NOT_READY"; return 0;
}
int cuDeviceGetCount(int *count) { *count = COUNT; return 0; }
int cuDeviceGet(int *device, int index) { *device = index; return 0; }
int cuDevicePrimaryCtxRetain(void **context, int device) { *context = memory; return 0; }
int cuDevicePrimaryCtxRelease_v2(int device) { return 0; }
int cuCtxPushCurrent_v2(void *context) { return context == memory ? 0 : 201; }
int cuMemAlloc_v2(uint64_t *where, size_t size) {
    *where = (uint64_t)(uintptr_t)memory; return 0;
}
int cuMemFree_v2(uint64_t where) { return 0; }
int cuMemcpyHtoD_v2(uint64_t to, const void *from, size_t n) {
    memcpy((void *)(uintptr_t)to, from, n); return 0;
}
int cuMemcpyDtoH_v2(void *to, uint64_t from, size_t n) {
    memcpy(to, (void *)(uintptr_t)from, n); WRONG; return 0;
}
"""


@pytest.fixture
def driver(machine, tmp_path):
    """Builds a stand-in for libcuda.so.1 that the machine's python3 finds."""
    compiler = shutil.which("cc") or pytest.skip("no C compiler for the stand-in of the driver")

    def build(**meanings: object) -> None:
        given = {"INIT": 0, "COUNT": 2, "WRONG": ""} | meanings
        source = DRIVER
        for word, meaning in given.items():
            source = source.replace(word, str(meaning), 1)
        (tmp_path / "driver.c").write_text(source)
        library = tmp_path / "libcuda.so.1"
        subprocess.run(
            [compiler, "-shared", "-fPIC", "-o", library, tmp_path / "driver.c"], check=True
        )
        machine.environment["LD_LIBRARY_PATH"] = str(tmp_path)

    return build


DOOR = Door("ubuntu", private(USER), public(HOST))


async def test_working_gpus_pass(machine, driver):
    driver()
    assert await probe_cuda("127.0.0.1", DOOR, 2) is None


async def test_error_802_is_found_where_nvidia_smi_looks_well(machine, driver):
    driver(INIT=802)
    fault = await probe_cuda("127.0.0.1", DOOR, 2)
    assert fault == "cuInit failed with CUDA error 802 (CUDA_ERROR_SYSTEM_NOT_READY)"


async def test_a_missing_gpu_is_found(machine, driver):
    driver(COUNT=1)
    assert await probe_cuda("127.0.0.1", DOOR, 2) == "CUDA sees 1 GPUs, expected 2"


async def test_a_gpu_that_does_not_keep_its_bytes_is_found(machine, driver):
    driver(WRONG="((char *)to)[0] ^= 1")
    assert "other bytes" in (await probe_cuda("127.0.0.1", DOOR, 2) or "")


async def test_no_driver_is_a_verdict_not_an_error(machine):
    assert "no CUDA driver" in (await probe_cuda("127.0.0.1", DOOR, 1) or "")


@pytest.mark.parametrize("output", ["", "Traceback", "{}", "[]", '{"fault": null}'])
def test_a_probe_that_prints_nonsense_is_a_fault(output):
    assert "instead of a verdict" in (read_verdict(output, 1) or "")
