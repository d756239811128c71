"""Logs as JSON, one object per line, on standard output."""

import json
import logging
import sys
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime

from . import audit

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}


class JsonFormatter(logging.Formatter):
    """A record as JSON: time, level, logger, message, the id of the request whose call it is from,
    the fields of `extra=`, and the traceback, without exceptions' texts: they may hold a call's
    data.
    """

    def __init__(self, constant: dict[str, str]) -> None:
        super().__init__()
        self._constant = constant

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **self._constant,
        }
        if request_id := audit.request_id():
            line["request_id"] = request_id
        line.update({key: value for key, value in vars(record).items() if key not in _STANDARD})
        if record.exc_info and record.exc_info[1]:
            line["traceback"] = "".join(_without_texts(record.exc_info[1], set())).rstrip()
        return json.dumps(line, default=str, ensure_ascii=False)


def _without_texts(error: BaseException, seen: set[int]) -> Iterator[str]:
    """Frames and types, causes first, as Python prints them."""
    if id(error) in seen:
        return
    seen.add(id(error))
    if before := error.__cause__ or (None if error.__suppress_context__ else error.__context__):
        yield from _without_texts(before, seen)
    yield from traceback.format_tb(error.__traceback__)
    yield f"{type(error).__module__}.{type(error).__qualname__}\n"
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _without_texts(one, seen)


def configure(level: str, **constant: str) -> None:
    """Send all logs to standard output as JSON; `constant` goes into every line.

    Must run before an MCPServer is made: it configures the root logger itself if nobody has.
    """
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter(constant))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(True)
    # Below warnings, these repeat for each request what our own lines say.
    for chatty in ("httpx2", "httpcore2", "mcp.server"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
