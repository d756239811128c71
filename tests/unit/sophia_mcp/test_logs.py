import json
import logging
import sys

from sophia_mcp.logs import JsonFormatter


def formatted(message: str, *args: object, **extra: object) -> dict[str, object]:
    record = logging.getLogger("here").makeRecord(
        "here",
        logging.WARNING,
        __file__,
        1,
        message,
        args,
        extra.pop("exc_info", None),
        extra=extra,
    )
    line = JsonFormatter({"server": "toy"}).format(record)
    assert "\n" not in line
    return json.loads(line)


def test_a_line_holds_message_constants_and_extras():
    line = formatted("hello %s", "you\nthere", tool="add", ms=1.5)
    assert line["message"] == "hello you\nthere"
    assert (line["level"], line["logger"], line["server"]) == ("warning", "here", "toy")
    assert (line["tool"], line["ms"]) == ("add", 1.5)
    assert str(line["time"]).endswith("+00:00")


def test_what_json_does_not_know_becomes_text():
    assert formatted("x", thing=ValueError("odd"))["thing"] == "odd"


def test_a_traceback_stays_on_its_line():
    try:
        raise RuntimeError("broken")
    except RuntimeError:
        line = formatted("failed", exc_info=sys.exc_info())
    assert "RuntimeError: broken" in str(line["traceback"])
