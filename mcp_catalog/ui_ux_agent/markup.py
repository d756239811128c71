"""Pure: the elements of an HTML or JSX text, with their lines and surroundings."""

import re
from dataclasses import dataclass
from html.parser import HTMLParser

_DEEP = 200
"""How many surrounding elements are checked."""
_VOID = "area base br col embed hr img input link meta source track wbr"
VOID = frozenset(_VOID.split())


@dataclass
class Element:
    """attributes: by name in lower case; one without a value has "". spread: JSX adds more.
    inside: names of the elements around it, nearest first. named: something in it can be read out.
    opened: the name that closes it, a component's too.
    """

    tag: str
    attributes: dict[str, str]
    line: int
    source: str
    inside: list[str]
    spread: bool = False
    named: bool = False
    opened: str = ""


def elements(text: str, *, jsx: bool) -> list[Element]:
    """All of them, in order. JSX components don't count."""
    reader = _Reader(jsx)
    reader.feed(_quoted(text) if jsx else text)
    reader.close()
    return reader.found


def is_expression(value: str) -> bool:
    """Whether a value is one of JSX, known only when it runs."""
    return value.startswith("{")


_HIDDEN = str.maketrans({'"': "'", "<": "\ue000", ">": "\ue001", "&": "\ue002"})
_SHOWN = str.maketrans({"\ue000": "<", "\ue001": ">", "\ue002": "&"})
"""Of JSX's expressions, by characters that no text has."""


def _quoted(text: str) -> str:
    """JSX as HTML with the same lines: `a={…}` as `a="{…}"`, without what would end it."""
    parts, at = [], 0
    while (start := text.find("={", at)) >= 0:
        depth, end = 0, start + 1
        while end < len(text):
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
            if depth == 0:
                break
        parts += [text[at:start], '="', text[start + 1 : end].translate(_HIDDEN), '"']
        at = end
    return "".join([*parts, text[at:]])


def _unquoted(source: str) -> str:
    return source.translate(_SHOWN).replace('="{', "={").replace('}"', "}")


class _Reader(HTMLParser):
    def __init__(self, jsx: bool) -> None:
        super().__init__()
        self.found: list[Element] = []
        self._jsx = jsx
        self._open: list[Element] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._begin(tag, attrs)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._begin(tag, attrs)
        # In HTML the slash has no meaning, except in SVG.
        closes = self._jsx or tag in ("path", "use", "circle", "rect")
        if closes and self._open and self._open[-1].opened == tag:
            self._open.pop()

    def _begin(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        source = self.get_starttag_text() or ""
        element = Element(
            tag,
            {name: value or "" for name, value in attrs if not name.startswith("{")},
            self.getpos()[0],
            _unquoted(source) if self._jsx else source,
            [one.tag for one in reversed(self._open[-_DEEP:])],
            any(name.startswith("{...") for name, _ in attrs),
            opened=tag,
        )
        component = self._jsx and bool(re.match(r"<[A-Z]", source))
        if component:
            element.tag = ""
        else:
            self.found.append(element)
        given = element.attributes
        if component or given.get("aria-label") or (tag == "img" and given.get("alt")):
            self._name()
        if tag not in VOID or component:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        names = [one.opened for one in self._open[-_DEEP:]]
        if tag in names:
            del self._open[len(self._open) - 1 - names[::-1].index(tag) :]

    def handle_data(self, data: str) -> None:
        inside = self._open[-1].tag if self._open else ""
        if data.strip() and inside not in ("script", "style"):
            self._name()

    def _name(self) -> None:
        for one in reversed(self._open):
            if one.named:  # and so is all around it
                break
            one.named = True
