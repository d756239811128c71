"""command:local:Command against real processes."""

import asyncio
import dataclasses
import os

import pytest

from ops.processes import command_name
from providers.runtime.declare import Cancelled, ResourceFailure
from tests.support.polling import until
from toolchain.standins.command.local import Command, LocalInputs
from toolchain.standins.command.outcome import CommandOutputs

command = Command(None)


async def test_create_gives_both_outputs_without_their_last_newline(context):
    made = await command.create(context, LocalInputs(create="printf 'a\\nb\\n'; echo c >&2"))

    assert made.outputs == CommandOutputs("a\nb", "c")
    assert made.id.startswith("hello")
    assert sorted(context.said) == ["a", "b", "c"]


async def test_standard_input_reaches_the_command_and_is_not_shown(context):
    made = await command.create(context, LocalInputs(create="wc -c", stdin="secret"))

    assert made.outputs.stdout.strip() == "6"
    assert "secret" not in "".join(context.said)


async def test_a_failure_shows_its_output_but_neither_command_nor_input(context):
    inputs = LocalInputs(create="echo why >&2; : hidden-command; exit 7", stdin="hidden-input")
    with pytest.raises(ResourceFailure) as failure:
        await command.create(context, inputs)

    assert str(failure.value) == "the command on this machine exited with status 7:\nwhy"


async def test_no_logging_shows_no_output_in_failures_either(context):
    with pytest.raises(ResourceFailure) as failure:
        await command.create(context, LocalInputs(create="echo secret; exit 1", logging="none"))

    assert str(failure.value) == "the command on this machine exited with status 1"
    assert context.said == []


async def test_update_runs_update_with_the_outputs_before(context):
    inputs = LocalInputs(create="false", update='echo "$PULUMI_COMMAND_STDOUT+$X"')
    new = dataclasses.replace(inputs, environment={"X": "1"})

    outputs = await command.update(context, "id", inputs, CommandOutputs("old", ""), new)

    assert outputs.stdout == "old+1"


async def test_update_without_a_command_of_its_own_runs_create(context):
    inputs = LocalInputs(
        create="echo again$PULUMI_COMMAND_STDOUT", add_previous_output_in_env=False
    )

    outputs = await command.update(context, "id", inputs, CommandOutputs("old", ""), inputs)

    assert outputs.stdout == "again"


async def test_delete_runs_in_its_folder_with_its_interpreter(context, tmp_path):
    inputs = LocalInputs(
        delete="open('gone', 'w').write('x')", interpreter=["python3", "-c"], dir=str(tmp_path)
    )
    await command.delete(context, "id", inputs, CommandOutputs("", ""))

    assert (tmp_path / "gone").read_text() == "x"


async def test_nothing_to_run_is_no_error(context):
    made = await command.create(context, LocalInputs())
    await command.delete(context, made.id, LocalInputs(), made.outputs)

    assert made.outputs == CommandOutputs("", "")


async def test_an_unknown_interpreter_is_named(context):
    with pytest.raises(ResourceFailure, match="no-such-shell"):
        await command.create(context, LocalInputs(create="x", interpreter=["no-such-shell"]))


def test_an_unknown_logging_is_a_fault():
    (fault,) = command.check(LocalInputs(logging="loud"))

    assert fault.path == "logging"


async def test_a_deadline_ends_the_command_and_what_it_started(context, tmp_path):
    inputs = LocalInputs(create=f"sleep 600 & echo $! > {tmp_path}/pid; wait")
    short = dataclasses.replace(context, timeout=3.0)

    with pytest.raises(ResourceFailure, match=r"did not end within 3 s"):
        await command.create(short, inputs)
    child = int((tmp_path / "pid").read_text())
    until(lambda: command_name(child), lambda name: not name, f"end of process {child}", 10)


async def test_an_interruption_ends_the_command(context, tmp_path):
    fifo = tmp_path / "started"
    os.mkfifo(fifo)
    running = asyncio.create_task(
        command.create(context, LocalInputs(create=f"echo > {fifo}; sleep 600"))
    )
    await asyncio.to_thread(fifo.read_text)
    context.cancelled.set()

    with pytest.raises(Cancelled):
        await asyncio.wait_for(running, 10)
