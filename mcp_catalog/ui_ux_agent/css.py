"""Pure: the declarations of a text of CSS, or of the styles in a text of HTML."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

import tinycss2
import tinycss2.ast


@dataclass(frozen=True)
class Declaration:
    """One declaration. selector: of its rule; "" for a style attribute. medium: the at-rules
    around it, like `media (prefers-reduced-motion: reduce)`. rule: the same for all of one rule.
    """

    name: str
    value: list[Any]
    line: int
    selector: str
    medium: str
    rule: int

    @property
    def text(self) -> str:
        """Its value as CSS, without what stands around it."""
        return str(tinycss2.serialize(self.value)).strip()


def of_css(text: str, line: int = 1) -> list[Declaration]:
    """Of a stylesheet. line: where it begins in the whole text."""
    rules = tinycss2.parse_stylesheet(text, skip_comments=True, skip_whitespace=True)
    return list(_inside(rules, "", "", line - 1))


def of_style(text: str, line: int = 1, rule: int = 0) -> list[Declaration]:
    """Of a style attribute. rule: tells it from others."""
    nodes = tinycss2.parse_declaration_list(text, skip_comments=True, skip_whitespace=True)
    return [
        Declaration(node.lower_name, node.value, line, "", "", -rule)
        for node in nodes
        if node.type == "declaration"
    ]


def of_html(text: str) -> list[Declaration]:
    """Of its style elements and attributes."""
    reader = _Styles()
    reader.feed(text)
    reader.close()
    return reader.found


def dimension(node: Any) -> tuple[float, str] | None:
    """The number and unit of a value; 0 has the unit px."""
    if node.type == "dimension":
        return float(node.value), node.lower_unit
    if node.type == "number" and node.value == 0:
        return 0.0, "px"
    return None


def pixels(value: list[Any]) -> float | None:
    """A value of one length in CSS pixels, by a root font of 16; None where it depends on more."""
    nodes = [node for node in value if node.type not in ("whitespace", "comment")]
    found = dimension(nodes[0]) if len(nodes) == 1 else None
    factor = {"px": 1.0, "rem": 16.0, "pt": 4 / 3}.get(found[1]) if found else None
    return None if found is None or factor is None else found[0] * factor


def _inside(nodes: list[Any], selector: str, medium: str, before: int) -> Iterator[Declaration]:
    for node in nodes:
        if node.type == "declaration":
            # Of one rule are those with the same selector at the same place.
            yield Declaration(node.name, node.value, node.source_line + before, selector, medium, 0)
        elif node.type == "qualified-rule" and node.content is not None:
            own = re.sub(r"\s+", " ", tinycss2.serialize(node.prelude)).strip()
            number = (node.source_line + before) * 10_000 + node.source_column
            inner = tinycss2.parse_blocks_contents(
                node.content, skip_comments=True, skip_whitespace=True
            )
            for one in _inside(inner, f"{selector} {own}".strip(), medium, before):
                yield one if one.rule else Declaration(**{**one.__dict__, "rule": number})
        elif node.type == "at-rule" and node.content is not None:
            words = f"{medium} {node.lower_at_keyword} {tinycss2.serialize(node.prelude)}".strip()
            inner = tinycss2.parse_blocks_contents(
                node.content, skip_comments=True, skip_whitespace=True
            )
            yield from _inside(inner, selector, re.sub(r"\s+", " ", words), before)


class _Styles(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[Declaration] = []
        self._in_style = False
        self._number = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_style = tag == "style"
        self._number += 1
        if style := dict(attrs).get("style"):
            self.found += of_style(style, self.getpos()[0], self._number)

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self.found += of_css(data, self.getpos()[0])

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False
