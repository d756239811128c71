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


def test_a_traceback_stays_on_its_line_and_says_where_but_not_with_what():
    def deeper():
        raise ExceptionGroup("of alice", [KeyError("alice's data")])

    try:
        try:
            deeper()
        except ExceptionGroup as error:
            error.add_note("for alice")
            raise RuntimeError("alice asked") from error
    except RuntimeError:
        line = formatted("failed", exc_info=sys.exc_info())
    told = str(line["traceback"])
    assert "test_logs.py" in told
    assert ", in deeper" in told
    kinds = [part for part in told.splitlines() if not part.startswith(" ")]
    assert kinds == ["builtins.ExceptionGroup", "builtins.KeyError", "builtins.RuntimeError"]
    assert "alice" not in "".join(part for part in told.splitlines() if "raise" not in part)


def test_causes_in_a_circle_end():
    first, second = ValueError(), KeyError()
    first.__cause__, second.__cause__ = second, first
    line = formatted("failed", exc_info=(ValueError, first, None))
    assert line["traceback"] == "builtins.KeyError\nbuiltins.ValueError"
