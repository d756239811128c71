"""Reads plain mappings (configuration, YAML files) and collects *every* fault. Pure.

A `Reader` returns typed values key by key, notes what is wrong, and continues with a placeholder,
so that one run shows all faults. A key that was never read is unknown: see `finish`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

REQUIRED: Final = object()
"""The default of a required key."""


@dataclass(frozen=True)
class Fault:
    """One error, reported so that the user can fix it.

    key: where, for example `sophia:nodeGroups[0].count`. expected: "" if `got` says everything.
    advice: what to do, may be "".
    """

    key: str
    got: str
    expected: str = ""
    advice: str = ""

    def __str__(self) -> str:
        expected = f"got {self.got}, expected {self.expected}" if self.expected else self.got
        line = f"{self.key}: {expected}"
        whole = f"{line}; {self.advice}" if self.advice else line
        return "\\n".join(whole.splitlines())


def shown(value: object) -> str:
    """A value as a fault shows it: short, strings in quotes, without what may hold a password:
    the user of an address, and its query."""
    text = re.sub(r"""(['"\s]|^)([a-z+]+://)?[^'"\s]*@""", r"\1\2…@", repr(value))
    text = re.sub(r"""\?[^'"\s]+""", "?…", text)
    return text if len(text) <= 80 else f"{text[:77]}..."


def closest(word: str, known: Iterable[str]) -> str:
    """`did you mean "count"?`, or "" if no known name is similar."""
    found = difflib.get_close_matches(word, list(known), n=1)
    return f"did you mean {found[0]!r}?" if found else ""


def listed(words: Iterable[str]) -> str:
    """`one of a, b, c`, or `only a` for a single one, or `none`."""
    names = list(words)
    if not names:
        return "none"
    return f"only {names[0]}" if len(names) == 1 else f"one of {', '.join(names)}"


class Reader:
    """One mapping that is being read. Every method returns a value of the right type.

    path: this mapping's name in faults; `separator` stands between it and a key.
    hidden: values are secret, so faults name only their type.
    readable: whether there was a mapping at all; without one, missing keys mean nothing.
    """

    def __init__(
        self,
        path: str,
        value: object,
        faults: list[Fault],
        *,
        separator: str = ".",
        hidden: bool = False,
    ) -> None:
        self.path = path
        self.faults = faults
        self._separator = separator
        self._hidden = hidden
        self._asked: list[str] = []
        self._retired: list[str] = []
        self._values: Mapping[Any, object] = {}
        self.readable = isinstance(value, Mapping)
        if isinstance(value, Mapping):
            self._values = value
        else:
            self.fault("", value, "a mapping of keys to values")

    def key(self, name: str) -> str:
        """The name of a key of this mapping in faults."""
        return f"{self.path}{self._separator}{name}" if name else self.path

    def fault(
        self,
        name: str,
        got: object,
        expected: str,
        advice: str = "",
        *,
        hidden: bool | None = None,
    ) -> None:
        """Notes that the value of key `name` is not what it should be; hidden: without it, which
        defaults to the mapping's."""
        hidden = self._hidden if hidden is None else hidden
        text = f"a {type(got).__name__} (not shown)" if hidden else shown(got)
        self.faults.append(Fault(self.key(name), text, expected, advice))

    def missing(self, name: str, expected: str, advice: str) -> None:
        """Notes that the key needs a value but has none."""
        self.faults.append(Fault(self.key(name), "nothing", expected, advice))

    def names(self) -> list[str]:
        """The keys that exist; reading them marks none as known."""
        return [str(name) for name in self._values]

    def has(self, name: str) -> bool:
        """Whether the key has a value: neither left out, nor null, nor empty."""
        return self._values.get(name) not in (None, "", [], {})

    def text(
        self,
        name: str,
        default: Any = REQUIRED,
        *,
        pattern: str = "",
        expected: str = "a text",
        advice: str = "",
        public: bool = False,
    ) -> str:
        """A string; with `pattern`, one that matches it as a whole.

        public: a wrong one is shown even if the mapping is hidden.
        """

        def good(value: object) -> bool:
            return isinstance(value, str) and (not pattern or bool(re.fullmatch(pattern, value)))

        hidden = False if public and isinstance(self._values.get(name), str) else None
        return str(self._value(name, default, "", good, expected, advice, hidden=hidden))

    def token(
        self,
        name: str,
        default: Any = REQUIRED,
        *,
        expected: str = 'a text such as "2"',
        advice: str = "",
    ) -> str:
        """A text of any kind. `config set --path` writes `2` as a number and `true` as a flag."""
        good: Callable[[object], bool] = lambda value: isinstance(value, str | int)  # noqa: E731
        value = self._value(name, default, "", good, expected, advice)
        return str(value).lower() if isinstance(value, bool) else str(value)

    def plain(self, name: str) -> object:
        """The value as it was given, unchecked."""
        return self._values.get(name)

    def retired(self, name: str, successor: str, advice: str) -> None:
        """Notes that a key of an earlier version has a value; `successor` replaced it."""
        self._retired.append(name)
        if self.has(name):
            self.fault(name, self.plain(name), f"the key {successor} instead", advice)

    def secret(self, name: str, default: Any = REQUIRED, *, advice: str = "") -> str:
        """A text that faults never show."""
        good: Callable[[object], bool] = lambda value: isinstance(value, str)  # noqa: E731
        return str(self._value(name, default, "", good, "a text", advice, hidden=True))

    def choice(self, name: str, among: Sequence[Any], default: Any = REQUIRED) -> Any:
        """One of a few values."""
        return self._value(
            name,
            default,
            among[0],
            lambda value: type(value) in {type(word) for word in among} and value in among,
            listed(map(str, among)),
            "",
            suggest=[str(word) for word in among],
        )

    def integer(
        self, name: str, default: Any = REQUIRED, *, low: int, high: int, advice: str = ""
    ) -> int:
        """A whole number from low to high, both included."""

        def good(value: object) -> bool:
            return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high

        expected = f"a whole number from {low} to {high}"
        return int(self._value(name, default, low, good, expected, advice))

    def number(self, name: str, default: Any = REQUIRED, *, low: float, high: float) -> float:
        """A number from low to high, both included. `config set --path` writes `0.5` as a text."""

        def good(value: object) -> bool:
            if isinstance(value, str):
                return bool(re.fullmatch(r"\d+(\.\d+)?", value)) and low <= float(value) <= high
            plain = isinstance(value, int | float) and not isinstance(value, bool)
            return plain and low <= value <= high  # type: ignore[operator]

        return float(self._value(name, default, low, good, f"a number from {low} to {high}", ""))

    def flag(self, name: str, default: bool) -> bool:
        """True or false."""
        good: Callable[[object], bool] = lambda value: isinstance(value, bool)  # noqa: E731
        return bool(self._value(name, default, default, good, "true or false", ""))

    def texts(
        self, name: str, default: Any = REQUIRED, *, pattern: str = ".+", expected: str = "a text"
    ) -> tuple[str, ...]:
        """A list of strings, each matching `pattern`; a required list may not be empty."""
        values = self._value(
            name,
            default,
            (),
            lambda value: isinstance(value, list | tuple),
            "a list" if default is not REQUIRED else "a list with at least one entry",
            "",
        )
        for index, value in enumerate(values):
            if not isinstance(value, str) or not re.fullmatch(pattern, value):
                self.fault(f"{name}[{index}]", value, expected)
        return tuple(value for value in values if isinstance(value, str))

    def inner(self, name: str, *, hidden: bool = False) -> Reader:
        """The mapping below a key; a missing one reads as empty."""
        self._asked.append(name)
        value = self._values.get(name)
        below = value if value is not None else {}
        found = Reader(self.key(name), below, self.faults, hidden=hidden or self._hidden)
        found.readable = found.readable and self.readable
        return found

    def named(self, name: str) -> dict[str, Reader]:
        """The mappings in the mapping below a key, by their names. A list of names stands for
        empty ones. What has the wrong shape is not shown: it may hold secrets.
        """
        self._asked.append(name)
        value = self._values.get(name)
        entries: list[tuple[str, object, object]] = []
        if isinstance(value, list | tuple):
            entries = [(f"{name}[{index}]", entry, {}) for index, entry in enumerate(value)]
        elif isinstance(value, Mapping):
            entries = [(f"{name}.{entry}", entry, below) for entry, below in value.items()]
        elif value not in (None, ""):
            self.fault(name, value, "a mapping by names, or a list of names", hidden=True)
        found: dict[str, Reader] = {}
        for key, entry, below in entries:
            if not isinstance(entry, str):
                self.fault(key, entry, "a name", hidden=True)
            elif entry in found:
                self.fault(key, entry, "every name once")
            else:
                hidden = self._hidden or not isinstance(below, Mapping)
                below = {} if below is None else below
                found[entry] = Reader(self.key(key), below, self.faults, hidden=hidden)
        return found

    def items(self, name: str, default: Any = REQUIRED) -> list[Reader]:
        """The mappings in the list below a key."""
        values = self._value(
            name,
            default,
            (),
            lambda value: isinstance(value, list | tuple),
            "a list" if default is not REQUIRED else "a list with at least one entry",
            "",
        )
        return [
            Reader(f"{self.key(name)}[{index}]", value, self.faults, hidden=self._hidden)
            for index, value in enumerate(values)
        ]

    def finish(self) -> None:
        """Reports every key that was never read. Call it last.

        Keys that begin with `x-` are the user's own, for YAML anchors.
        """
        for name in self._values:
            if name not in (*self._asked, *self._retired) and not str(name).startswith("x-"):
                advice = closest(str(name), self._asked) or "remove it"
                known = listed(self._asked)
                self.faults.append(Fault(self.key(str(name)), "an unknown key", known, advice))

    def _value(
        self,
        name: str,
        default: Any,
        stand_in: Any,
        good: Callable[[object], bool],
        expected: str,
        advice: str,
        suggest: Sequence[str] = (),
        hidden: bool | None = None,
    ) -> Any:
        self._asked.append(name)
        value = self._values.get(name)
        if value is None or (value in ("", [], ()) and (default is REQUIRED or value != default)):
            if default is REQUIRED and self.readable:
                self.missing(name, expected, advice or "set it")
            return stand_in if default is REQUIRED else default
        if good(value):
            return value
        self.fault(name, value, expected, advice or closest(str(value), suggest), hidden=hidden)
        return stand_in if default is REQUIRED else default
