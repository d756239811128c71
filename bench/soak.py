"""A soak of the platform that is up on this machine: `python -m bench.soak [SECONDS]`.

Calls every tool that reads, steadily, from three callers in both protocol eras, while settings
change, a task, a gateway and a node are lost, and a token rotates: soak_events.SCHEDULE, scaled to
SECONDS, an hour by default. It adds two callers before, and puts the configuration back after.

Prints failed calls with what explains them, and what each service took in the first and in the last
tenth. Exits with 1 for a call that nothing explains, and for growth beyond soak_growth.BOUNDS. For
test platforms only: tools call what they are for, with whatever credentials there are.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Sequence

from bench import soak_calls, soak_events, soak_growth
from bench.soak_calls import Call, Callers
from bench.soak_events import Event, Platform
from bench.soak_growth import Reading
from ops.inspect import outputs_of, stack_named
from ops.platform import STACK
from toolchain import places

SECONDS = 3600.0
RATE = 10.0
"""Calls a second, of all callers together."""
SAMPLES = 60
"""Looks at what everything takes; every ten seconds at most."""


def main() -> int:
    """Prints all of it; returns the exit status."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    platform = Platform(stack_named(STACK), places.state(), outputs_of(STACK))
    try:
        platform.configure(soak_events.with_callers)
        platform.up()
        return asyncio.run(_soak(platform, seconds))
    finally:
        platform.restore()


async def _soak(platform: Platform, seconds: float) -> int:
    outputs, over = platform.outputs, asyncio.Event()
    wanted = ("default", *soak_events.CALLERS)
    tokens = {name: outputs["gateway_tokens"][name] for name in wanted}
    callers = Callers(outputs["gateway_urls"], outputs["ca_certificate"], tokens, RATE)
    platform.on_tokens = lambda new: tokens.update({name: new[name] for name in wanted})
    tools = await callers.tools(sorted(outputs["mcp_endpoints"]))
    print(f"{len(tools)} tools of {len(outputs['mcp_endpoints'])} servers", flush=True)
    began, taken = time.monotonic(), list[Reading]()
    running = asyncio.create_task(callers.run(tools, over))
    looking = asyncio.create_task(_looks(platform, seconds, taken, over))
    try:
        events = await _events(platform, began, seconds)
        # The last tenth is quiet, however long they took.
        end = max(began + seconds, events[-1].ended + seconds / 10)
        await asyncio.sleep(max(0.0, end - time.monotonic()))
    finally:
        over.set()
        await asyncio.gather(running, looking)
    growths = soak_growth.grown(taken, began, time.monotonic())
    unexplained = report(callers.calls, events, began)
    print("\n" + "\n".join(soak_growth.table(growths)))
    beyond = [one for one in growths if not one.is_bounded]
    print(f"\n{len(unexplained)} failed calls that nothing explains, {len(beyond)} beyond bounds")
    return 1 if unexplained or beyond or not growths else 0


async def _events(platform: Platform, began: float, seconds: float) -> list[Event]:
    events = []
    for share, what, action in soak_events.SCHEDULE:
        await asyncio.sleep(max(0.0, began + share * seconds - time.monotonic()))
        event = Event(what, time.monotonic())
        await asyncio.to_thread(action, platform, event)
        event.ended = time.monotonic()
        events.append(event)
        took = event.ended - event.began
        print(f"{event.began - began:7.0f} s  {event.what}, over after {took:.0f} s", flush=True)
    return events


async def _looks(
    platform: Platform, seconds: float, taken: list[Reading], over: asyncio.Event
) -> None:
    pause = max(seconds / SAMPLES, 10.0)
    while not over.is_set():
        taken += await asyncio.to_thread(soak_growth.readings, platform.home, time.monotonic())
        try:
            await asyncio.wait_for(over.wait(), pause)
        except TimeoutError:
            continue


def report(calls: Sequence[Call], events: Sequence[Event], began: float) -> list[Call]:
    """Prints what failed and why; returns what nothing explains."""
    counted: Counter[tuple[str, str]] = Counter()
    unexplained = []
    for call in soak_calls.faults(calls):
        reasons = ((event.what, event.explains(call)) for event in events)
        found = next((one for one in reasons if one[1]), None)
        if found:
            counted[found] += 1
        else:
            unexplained.append(call)
    good = sum(call.outcome == soak_calls.OK for call in calls)
    print(f"\n{len(calls)} calls: {good} with a result")
    for (what, why), count in counted.items():
        print(f"{count:7} failed  {what}: {why}")
    for call in unexplained:
        tool = f"{call.tool.server}/{call.tool.name}"
        at = f"{call.began - began:7.1f} s  {call.seconds:5.1f} s"
        print(f"{at}  {tool} by {call.caller}: {call.outcome}")
    return unexplained


if __name__ == "__main__":
    sys.exit(main())
