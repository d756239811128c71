"""command:remote:Command against a real ssh server in this process."""

import asyncio
import dataclasses
import socket

import asyncssh
import pytest

from providers.runtime.declare import Cancelled, ResourceFailure
from tests.support.polling import until
from tests.support.shell import answer
from toolchain.standins.command.outcome import CommandOutputs
from toolchain.standins.command.remote import Command, Connection, RemoteInputs

command = Command(None)


@pytest.fixture
def client_key() -> asyncssh.SSHKey:
    return asyncssh.generate_private_key("ssh-ed25519")


@pytest.fixture
def host_key() -> asyncssh.SSHKey:
    return asyncssh.generate_private_key("ssh-ed25519")


def public(key: asyncssh.SSHKey) -> str:
    return key.export_public_key().decode().strip()


async def listen(port: int, host_key, client_key) -> asyncssh.SSHAcceptor:
    return await asyncssh.listen(
        "127.0.0.1",
        port,
        server_host_keys=[host_key],
        authorized_client_keys=asyncssh.import_authorized_keys(public(client_key)),
        process_factory=answer,
        encoding=None,
    )


@pytest.fixture
async def connection(host_key, client_key):
    async with await listen(0, host_key, client_key) as server:
        yield Connection(
            host="127.0.0.1",
            port=server.get_port(),
            user="someone",
            host_key=public(host_key),
            private_key=client_key.export_private_key().decode(),
            dial_error_limit=2,
        )


async def test_create_update_delete(context, connection, tmp_path):
    log = tmp_path / "log"
    inputs = RemoteInputs(
        connection=connection,
        create="cat; echo done >&2",
        update=f"echo updated > {log}",
        delete=f"echo deleted >> {log}",
        stdin="text",
    )
    made = await command.create(context, inputs)
    after = await command.update(context, made.id, inputs, made.outputs, inputs)
    await command.delete(context, made.id, inputs, after)

    assert made.outputs == CommandOutputs("text", "done")
    assert after == CommandOutputs("", "")
    assert log.read_text() == "updated\ndeleted\n"


async def test_a_failure_names_the_host_and_shows_output_only(context, connection):
    inputs = RemoteInputs(connection, create="echo bad >&2; exit 3", stdin="hidden")
    where = rf"127\.0\.0\.1:{connection.port}"
    with pytest.raises(
        ResourceFailure, match=rf"^the command on {where} exited with status 3:\nbad$"
    ):
        await command.create(context, inputs)


async def test_a_server_with_another_key_is_never_used(context, connection, tmp_path):
    other = public(asyncssh.generate_private_key("ssh-ed25519"))
    inputs = RemoteInputs(
        dataclasses.replace(connection, host_key=other), create=f"touch {tmp_path}/ran"
    )
    with pytest.raises(ResourceFailure, match="in 2 tries: Host key is not trusted"):
        await command.create(context, inputs)

    assert not (tmp_path / "ran").exists()


async def test_a_machine_that_still_boots_is_waited_for(context, connection, host_key, client_key):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    later = dataclasses.replace(connection, port=port, dial_error_limit=-1)
    running = asyncio.create_task(command.create(context, RemoteInputs(later, create="echo up")))
    await asyncio.to_thread(until, lambda: context.said, bool, "a line about the wait", 10)
    async with await listen(port, host_key, client_key):
        made = await asyncio.wait_for(running, 10)

    assert made.outputs.stdout == "up"
    assert f"waiting for ssh on 127.0.0.1:{port}" in context.said[0]


async def test_a_deadline_says_what_the_last_try_met(context, connection, unused_port):
    dead = dataclasses.replace(connection, port=unused_port, dial_error_limit=-1)
    short = dataclasses.replace(context, timeout=0.3)

    with pytest.raises(ResourceFailure, match=r"within 0\.3 s; the last try to connect: .*Connect"):
        await command.create(short, RemoteInputs(dead, create="true"))


async def test_an_interruption_ends_the_wait(context, connection, unused_port):
    dead = dataclasses.replace(connection, port=unused_port, dial_error_limit=-1)
    running = asyncio.create_task(command.create(context, RemoteInputs(dead, create="true")))
    await asyncio.to_thread(until, lambda: context.said, bool, "a line about the wait", 10)
    context.cancelled.set()

    with pytest.raises(Cancelled):
        await asyncio.wait_for(running, 10)


@pytest.fixture
def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"host_key": None}, "connection.hostKey"),
        ({"host_key": "nonsense"}, "connection.hostKey"),
        ({"private_key": None}, "connection.privateKey"),
        ({"dial_error_limit": -2}, "connection.dialErrorLimit"),
    ],
)
def test_what_the_standin_does_not_do_is_a_fault(change, path, host_key, client_key):
    good = Connection("127.0.0.1", public(host_key), private_key="x")
    inputs = RemoteInputs(dataclasses.replace(good, **change), create="true")

    assert [fault.path for fault in command.check(inputs)] == [path]
