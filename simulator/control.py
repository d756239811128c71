"""Control addresses for tests: inspect the cloud from inside, and make it misbehave.

    GET    /_control/status                   is it up
    GET    /_control/calls                    how often each operation was called, by name
    DELETE /_control/calls                    reset the counts
    GET    /_control/knobs                    see simulator/knobs.py
    PUT    /_control/knobs                    {boot_seconds?, …}, until the server ends
    PUT    /_control/capacity                 {instance_type, region, count}
    POST   /_control/faults                   {operation, effect, times?, status?, code?, message?}
    GET    /_control/faults                   those still to come
    DELETE /_control/faults                   remove them
    GET    /_control/instances                everything known of them, including user_data
    POST   /_control/instances/<id>           {status: unhealthy | preempted | null, reason?}
    POST   /_control/instances/<id>/power-off the machine stops, as by docker kill

Effects of a fault: `error` answers with status and code and does nothing, `lost-answer` executes
the call and closes the connection, `lost-request` only closes the connection.
"""

from __future__ import annotations

import dataclasses
import threading
from collections import Counter, deque
from collections.abc import Collection
from typing import Any

from werkzeug.wrappers import Request, Response

from simulator.account import Account
from simulator.exceptions import ApiError, invalid_parameters
from simulator.responses import body_of, data

EFFECTS = ("error", "lost-answer", "lost-request")
MOST_TIMES = 10_000


@dataclasses.dataclass(frozen=True)
class Fault:
    """What goes wrong with the next call of an operation."""

    operation: str
    effect: str
    status: int = 500
    code: str = "global/internal-error"
    message: str = "An error made by the simulator's control address."

    def error(self) -> ApiError:
        return ApiError(self.status, self.code, self.message)


class Book:
    """Counts calls and holds the faults to come. Thread-safe.

    operations: those that can be called, and so can fail.
    """

    def __init__(self, operations: Collection[str]) -> None:
        self.operations = operations
        self._lock = threading.Lock()
        self._calls: Counter[str] = Counter()
        self._faults: deque[Fault] = deque()

    def count(self, operation: str) -> None:
        """Count a call, whatever its result."""
        with self._lock:
            self._calls[operation] += 1

    def due(self, operation: str) -> Fault | None:
        """The fault that is due for a call that is let through, if any; used up by this."""
        with self._lock:
            for fault in self._faults:
                if fault.operation == operation:
                    self._faults.remove(fault)
                    return fault
        return None

    def add(self, fault: Fault, times: int) -> None:
        with self._lock:
            self._faults.extend([fault] * times)

    def faults(self) -> list[Fault]:
        with self._lock:
            return list(self._faults)

    def forget_faults(self) -> None:
        with self._lock:
            self._faults.clear()

    def calls(self) -> dict[str, int]:
        with self._lock:
            return dict(self._calls)

    def forget_calls(self) -> None:
        with self._lock:
            self._calls.clear()


def status(account: Account, book: Book, request: Request) -> Response:
    return data({"instances": len(account.instances())})


def calls(account: Account, book: Book, request: Request) -> Response:
    return data(book.calls())


def forget_calls(account: Account, book: Book, request: Request) -> Response:
    book.forget_calls()
    return data({})


def knobs(account: Account, book: Book, request: Request) -> Response:
    return data(dataclasses.asdict(account.knobs))


def set_knobs(account: Account, book: Book, request: Request) -> Response:
    body = body_of(request)
    before = dataclasses.asdict(account.knobs)
    _known_keys(body, set(before))
    for key, value in body.items():
        kinds = (int,) if type(before[key]) is int else (int, float)
        if type(value) not in kinds or not 0 <= value < float("inf"):
            kind = "whole number" if kinds == (int,) else "number"
            raise invalid_parameters(f"{key}: expected a {kind} from 0, got {value!r}")
    account.knobs = dataclasses.replace(account.knobs, **body)
    return data(dataclasses.asdict(account.knobs))


def capacity(account: Account, book: Book, request: Request) -> Response:
    body = body_of(request)
    _known_keys(body, {"instance_type", "region", "count"})
    for key in ("instance_type", "region"):
        if not isinstance(body.get(key), str):
            raise invalid_parameters(f"{key}: expected a text, got {body.get(key)!r}")
    if "count" not in body:
        raise invalid_parameters("count: field required.")
    count = _whole(body, "count", 0, 0, MOST_TIMES)
    account.set_capacity(body["instance_type"], body["region"], count)
    return data({})


def fault(account: Account, book: Book, request: Request) -> Response:
    body = body_of(request)
    _known_keys(body, {"operation", "effect", "times", "status", "code", "message"})
    if str(body.get("operation")) not in book.operations:
        known = ", ".join(sorted(book.operations))
        raise invalid_parameters(f"operation: {body.get('operation')!r} is not one of {known}")
    if body.get("effect") not in EFFECTS:
        raise invalid_parameters(f"effect: {body.get('effect')!r} is not {', '.join(EFFECTS)}")
    times = _whole(body, "times", 1, 1, MOST_TIMES)
    # Below 400 it would not be an error, and werkzeug writes any number into the status line.
    _whole(body, "status", 500, 400, 599)
    for key in ("code", "message"):
        if not isinstance(body.get(key, ""), str):
            raise invalid_parameters(f"{key}: expected a text, got {body[key]!r}")
    book.add(Fault(**{key: value for key, value in body.items() if key != "times"}), times)
    return data({})


def faults(account: Account, book: Book, request: Request) -> Response:
    return data([dataclasses.asdict(fault) for fault in book.faults()])


def forget_faults(account: Account, book: Book, request: Request) -> Response:
    book.forget_faults()
    return data({})


def instances(account: Account, book: Book, request: Request) -> Response:
    known = account.known()
    statuses = account.statuses(known)
    return data(
        [
            dataclasses.asdict(instance) | {"status": status}
            for instance, status in zip(known, statuses, strict=True)
        ]
    )


def set_instance(account: Account, book: Book, request: Request, id: str) -> Response:
    body = body_of(request)
    _known_keys(body, {"status", "reason"})
    wanted = body.get("status", "")  # missing differs from null, which would clear a fault
    if wanted not in ("unhealthy", "preempted", None):
        raise invalid_parameters(f"status: {wanted!r} is not unhealthy, preempted or null")
    account.set_fault(id, wanted, str(body.get("reason", "")))
    return data({})


def power_off(account: Account, book: Book, request: Request, id: str) -> Response:
    account.power_off(id)
    return data({})


def _known_keys(body: dict[str, Any], known: set[str]) -> None:
    if unknown := body.keys() - known:
        raise invalid_parameters(f"{sorted(unknown)[0]}: unknown; known are {sorted(known)}")


def _whole(body: dict[str, Any], key: str, default: int, low: int, high: int) -> int:
    """A whole number; True doesn't count."""
    value = body.get(key, default)
    if type(value) is not int or not low <= value <= high:
        raise invalid_parameters(f"{key}: expected {low} to {high}, got {value!r}")
    return value
