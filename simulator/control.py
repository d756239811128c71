"""Control addresses for tests: look at the cloud from behind, and make it misbehave.

    GET    /_control/status                   is it up
    GET    /_control/calls                    how often each operation was called, by name
    DELETE /_control/calls                    count anew
    PUT    /_control/capacity                 {instance_type, region, count}
    POST   /_control/faults                   {operation, effect, times?, status?, code?, message?}
    GET    /_control/instances                all that is known of them, user_data too
    POST   /_control/instances/<id>           {status: unhealthy | preempted | null, reason?}
    POST   /_control/instances/<id>/power-off the machine stops, as by docker kill

Effects of a fault: `error` answers with status and code and does nothing, `lost-answer` does it
and closes the connection, `lost-request` only closes the connection.
"""

from __future__ import annotations

import dataclasses
import threading
from collections import Counter, deque

from werkzeug.wrappers import Request, Response

from simulator.exceptions import ApiError, invalid_parameters
from simulator.models import Account
from simulator.responses import body_of, data


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
    """Counts calls and holds the faults to come. Safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: Counter[str] = Counter()
        self._faults: deque[Fault] = deque()

    def enter(self, operation: str) -> Fault | None:
        """Count a call; the fault that is due for it, if any."""
        with self._lock:
            self._calls[operation] += 1
            for fault in self._faults:
                if fault.operation == operation:
                    self._faults.remove(fault)
                    return fault
        return None

    def add(self, fault: Fault, times: int) -> None:
        with self._lock:
            self._faults.extend([fault] * times)

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


def capacity(account: Account, book: Book, request: Request) -> Response:
    body = body_of(request)
    if type(body.get("count")) is not int:
        raise invalid_parameters(f"count: expected a number, got {body.get('count')!r}")
    account.set_capacity(body.get("instance_type", ""), body.get("region", ""), body["count"])
    return data({})


def fault(account: Account, book: Book, request: Request) -> Response:
    body = body_of(request)
    times = body.pop("times", 1)
    try:
        made = Fault(**body)
    except TypeError as error:
        raise invalid_parameters(f"fault: {error}") from None
    if made.effect not in ("error", "lost-answer", "lost-request"):
        raise invalid_parameters(f"effect: {made.effect!r} is not error, lost-answer, lost-request")
    book.add(made, times)
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
    wanted = body.get("status")
    if wanted not in ("unhealthy", "preempted", None):
        raise invalid_parameters(f"status: {wanted!r} is not unhealthy, preempted or null")
    account.set_fault(id, wanted, str(body.get("reason", "")))
    return data({})


def power_off(account: Account, book: Book, request: Request, id: str) -> Response:
    account.power_off(id)
    return data({})
