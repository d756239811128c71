"""What pulumi-command and pulumi-random promise to programs, through their vendors' SDKs.

Nothing here knows of the stand-ins: with a vendor's engine on PATH, the same tests run against the
vendors' plugins.
"""

import asyncio
import subprocess
import threading
from pathlib import Path

import asyncssh
import pytest

from tests.support.shell import answer

pytestmark = pytest.mark.slow

PROGRAM = """
import pulumi, pulumi_command as command, pulumi_random as random
config = pulumi.Config()
keepers = {"type": config.get("type") or ""}
id = random.RandomId("id", byte_length=4, prefix="node-", keepers=keepers)
password = random.RandomPassword("password", length=24, special=False, min_numeric=2)
text = random.RandomString("text", length=6, upper=False, special=False)
log = config.require("log")
local = command.local.Command(
    "local",
    create=f"cat > {log}.stdin; echo created $X >> {log}; echo $X",
    update=f"echo updated $X >> {log}; echo $X",
    delete=f"echo deleted $PULUMI_COMMAND_STDOUT >> {log}",
    environment={"X": config.get("x") or "1"},
    stdin=password.result,
    triggers=[config.get("trigger") or ""],
)
remote = command.remote.Command(
    "remote",
    connection=command.remote.ConnectionArgs(
        host="127.0.0.1",
        port=config.require_int("port"),
        user="someone",
        private_key=config.require_secret("privateKey"),
        host_key=config.require("hostKey"),
        dial_error_limit=3,
    ),
    create=config.get("remote") or "wc -c",
    stdin=pulumi.Output.secret("12345"),
    triggers=[id.hex],
)
pulumi.export("hex", id.hex)
pulumi.export("password", password.result)
pulumi.export("text", text.result)
pulumi.export("local", local.stdout)
pulumi.export("remote", remote.stdout)
"""


class SshServer:
    """An ssh server in its own thread."""

    def __init__(self) -> None:
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        self.client_key = asyncssh.generate_private_key("ssh-ed25519")
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    def start(self) -> int:
        self.thread.start()
        allowed = asyncssh.import_authorized_keys(self.client_key.export_public_key().decode())

        async def listen() -> asyncssh.SSHAcceptor:
            return await asyncssh.listen(
                "127.0.0.1",
                0,
                server_host_keys=[self.host_key],
                authorized_client_keys=allowed,
                process_factory=answer,
                encoding=None,
            )

        self.acceptor = asyncio.run_coroutine_threadsafe(listen(), self.loop).result(10)
        return self.acceptor.get_port()

    def stop(self) -> None:
        async def close() -> None:
            self.acceptor.close()
            await self.acceptor.wait_closed()

        asyncio.run_coroutine_threadsafe(close(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()


@pytest.fixture
def server():
    made = SshServer()
    port = made.start()
    yield made, port
    made.stop()


@pytest.fixture
def project(make_project, server, tmp_path):
    ssh, port = server
    made = make_project(PROGRAM)
    made.pulumi("config", "set", "port", str(port))
    made.pulumi("config", "set", "log", str(tmp_path / "log"))
    made.pulumi("config", "set", "hostKey", ssh.host_key.export_public_key().decode().strip())
    key = tmp_path / "key"
    ssh.client_key.write_private_key(str(key))
    with key.open() as file:
        subprocess.run(
            ["pulumi", "config", "set", "--secret", "privateKey"],
            cwd=made.folder,
            env=made.environment,
            stdin=file,
            check=True,
            capture_output=True,
        )
    return made


def test_the_life_of_commands_and_random_values(project, tmp_path):
    log: Path = tmp_path / "log"
    first_run = project.up()
    first = project.outputs()

    assert "warning" not in first_run
    assert str(first["password"]) not in first_run
    assert len(str(first["password"])) == 24
    assert str(first["password"]).isalnum()
    assert str(first["hex"]).startswith("node-")
    assert first["remote"] == "5"
    assert first["local"] == "1"
    assert (tmp_path / "log.stdin").read_text() == first["password"]
    assert log.read_text() == "created 1\n"

    assert "6 unchanged" in project.up()

    project.pulumi("config", "set", "x", "2")
    assert "1 updated" in project.up()
    assert log.read_text() == "created 1\nupdated 2\n"

    project.pulumi("config", "set", "trigger", "again")
    assert "1 replaced" in project.up()
    assert log.read_text() == "created 1\nupdated 2\ncreated 2\ndeleted 2\n"

    project.pulumi("config", "set", "type", "other")
    assert "2 replaced" in project.up()
    last = project.outputs()
    assert last["hex"] != first["hex"]
    assert {name: last[name] for name in ("password", "text")} == {
        name: first[name] for name in ("password", "text")
    }

    project.pulumi("config", "set", "remote", "echo the cause >&2; exit 3")
    failed = project.up(fails=True)
    assert "the cause" in failed
    assert "12345" not in failed
    project.pulumi("config", "rm", "remote")
    project.up()

    project.pulumi("destroy", "--yes", "--skip-preview")
    assert log.read_text().endswith("deleted 2\n")


def test_secrets_are_not_in_the_state(project):
    project.up()
    state = project.pulumi("stack", "export")

    assert str(project.outputs()["password"]) not in state
    assert "PRIVATE KEY" not in state


def test_an_impossible_password_is_refused_in_the_preview(make_project):
    project = make_project(
        "import pulumi_random as random\n"
        "random.RandomPassword('password', length=2, min_lower=2, min_upper=2)\n"
    )

    assert "length" in project.pulumi("preview", fails=True)
