"""A store of logs: VictoriaLogs, over its HTTP API."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import urlencode

from sophia_logs.lines import Line, Moments, moment, nanoseconds

PORT = 9428
_TIMEOUT_S = 15.0
_INSERT = "/insert/jsonline?" + urlencode(
    {"_stream_fields": "service,node,container", "_time_field": "_time", "_msg_field": "_msg"}
)


class StoreError(Exception):
    """It didn't answer, or refused."""


class Store:
    """address: where it is now; a new task of it has another one."""

    def __init__(self, address: str, port: int = PORT) -> None:
        self.address, self._port = address, port
        self._connection: http.client.HTTPConnection | None = None

    def send(self, lines: Sequence[Line], node: str) -> None:
        """Adds lines of that node. Raises StoreError."""
        body = b"\n".join(line.stored(node) for line in lines)
        with self._posted(_INSERT, body, "application/stream+json"):
            pass

    def ask(self, query: str) -> Iterator[dict[str, str]]:
        """The rows that LogsQL finds, as they arrive: they may be many. Raises StoreError."""
        body = urlencode({"query": query}).encode()
        kind = "application/x-www-form-urlencoded"
        with self._posted("/select/logsql/query", body, kind) as answer:
            for row in answer:
                yield json.loads(row)

    def newest(self, container: str) -> int | None:
        """When the last line that it has of a container was written. Raises StoreError."""
        found = list(self.ask(f"{_of(container)} | stats max(_time) as newest"))
        return nanoseconds(found[0]["newest"]) if found and found[0].get("newest") else None

    def times(self, container: str, since: int, until: int) -> Moments:
        """The moments of the lines of a container that it has. Raises StoreError."""
        span = f"_time:[{moment(since)}, {moment(until)}]"
        rows = self.ask(f"{_of(container)} {span} | fields _time")
        return Moments(nanoseconds(row["_time"]) for row in rows)

    def lacking(self, lines: Sequence[Line]) -> list[Line]:
        """Those of these that it hasn't. Raises StoreError."""
        found: list[Line] = []
        for container in dict.fromkeys(line.container for line in lines):
            theirs = [line for line in lines if line.container == container]
            at = [line.at for line in theirs]
            had = self.times(container, min(at), max(at))
            found += [line for line in theirs if not had.take(line.at)]
        return found

    @contextmanager
    def _posted(self, path: str, body: bytes, kind: str) -> Iterator[http.client.HTTPResponse]:
        """The answer. The connection is kept for the next one, unless this one fails."""
        if self._connection is None or self._connection.host != self.address:
            self._connection = http.client.HTTPConnection(self.address, self._port, _TIMEOUT_S)
        connection, self._connection = self._connection, None
        try:
            connection.request("POST", path, body, {"Content-Type": kind})
            answer = connection.getresponse()
            if answer.status >= 300:
                raise StoreError(f"{self.address}: status {answer.status}: {answer.read(200)!r}")
            yield answer
            answer.read()
            self._connection = connection
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise StoreError(f"{self.address}: {error or type(error).__name__}") from None
        finally:
            if self._connection is None:
                connection.close()


def _of(container: str) -> str:
    return f'{{container="{container}"}}'
