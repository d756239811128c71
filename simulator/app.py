"""The cloud as a WSGI application: who may call, how often, and the form of errors."""

from __future__ import annotations

import base64
import binascii
import contextlib
import hmac
import json
import socket
import traceback
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.wrappers import Request, Response

from simulator import exceptions, urls
from simulator.account import Account
from simulator.control import Book
from simulator.limits import Limit

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

MAX_BODY = 4 * 1024 * 1024


class Application:
    """Answers requests for one account."""

    def __init__(self, account: Account, api_key: str, log: Callable[[str], None]) -> None:
        self._account = account
        self._api_key = api_key
        self._log = log
        self._book = Book(urls.HANDLERS)
        self._requests = Limit()
        self._launches = Limit()

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        request = Request(environ)
        request.max_content_length = MAX_BODY
        return self._answer(request)(environ, start)

    def _answer(self, request: Request) -> Response:
        try:
            return self._dispatch(request)
        except exceptions.ApiError as error:
            return _json(error.status, error.body())
        except exceptions.RateLimited as error:
            refusal = Response("Too Many Requests", 429, mimetype="text/plain")
            if error.retry_after is not None:
                refusal.headers["Retry-After"] = str(error.retry_after)
            return refusal
        except MethodNotAllowed:
            refused = exceptions.ApiError(
                405, "global/invalid-parameters", f"{request.method} is not allowed here."
            )
            return _json(405, refused.body())
        except NotFound:
            refused = exceptions.no_such_address(request.path)
            return _json(404, refused.body())
        except HTTPException as error:
            status = error.code or 500
            unclear = exceptions.ApiError(status, "global/unknown", error.description or str(error))
            return _json(status, unclear.body())
        except Exception:
            self._log(traceback.format_exc())
            unknown = exceptions.ApiError(
                500, "global/unknown", "The simulator failed; see its log."
            )
            return _json(500, unknown.body())

    def _dispatch(self, request: Request) -> Response:
        if not self._may_call(request.headers.get("Authorization", "")):
            raise exceptions.invalid_api_key()
        operation, values = urls.URLS.bind_to_environ(request.environ).match()
        if operation in urls.CONTROLS:
            return urls.CONTROLS[operation](self._account, self._book, request, **values)
        self._book.count(operation)
        knobs = self._account.knobs
        self._requests.take(knobs.request_interval)
        if operation == urls.LAUNCH:
            self._launches.take(knobs.launch_interval)
        # A rate-limited call leaves the fault to the next call.
        fault = self._book.due(operation)
        if fault is not None and fault.effect == "error":
            raise fault.error()
        if fault is not None and fault.effect == "lost-request":
            return _hang_up(request)
        response = urls.HANDLERS[operation](self._account, request, **values)
        if fault is not None:
            return _hang_up(request)
        return response

    def _may_call(self, header: str) -> bool:
        """Accepts `Bearer KEY`, `Basic base64(KEY:)` and `Basic KEY`."""
        scheme, _, given = header.partition(" ")
        given = given.strip()
        offered = [given]
        if scheme.lower() == "basic":
            with contextlib.suppress(binascii.Error, UnicodeDecodeError):
                offered.append(base64.b64decode(given, validate=True).decode().partition(":")[0])
        elif scheme.lower() != "bearer":
            return False
        wanted = self._api_key.encode()
        return any(hmac.compare_digest(one.encode(), wanted) for one in offered)


def _json(status: int, body: object) -> Response:
    return Response(json.dumps(body), status, mimetype="application/json")


def _hang_up(request: Request) -> Response:
    """Close the connection before the answer."""
    connection: socket.socket = request.environ["werkzeug.socket"]
    connection.shutdown(socket.SHUT_RDWR)
    return Response(status=500)
