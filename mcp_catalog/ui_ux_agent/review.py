"""Pure: what a component's text shows without a browser, with lines."""

import re
from collections.abc import Iterator, Sequence
from typing import Literal

from pydantic import BaseModel, Field

from . import aria, colours, css
from .markup import Element, elements, is_expression

Kind = Literal["html", "css", "jsx"]
MOST = 100

RULES: dict[str, tuple[str | None, str]] = {
    "image-alt": ("1.1.1", 'Say what it shows: alt="…"; alt="" if it only decorates.'),
    "heading-order": ("1.3.1", "{0} follows {1}: leave no level out, and style it by CSS."),
    "contrast": ("1.4.3", "{0} on {1} has {2}:1, expected {3}:1{4}."),
    "zoom": ("1.4.4", "People must be able to zoom: remove user-scalable and maximum-scale."),
    "keyboard": ("2.1.1", 'By keyboard it can\'t be reached: use <button type="button">{0}.'),
    "reduced-motion": (
        "2.3.3", "It moves for everybody: stop it in @media (prefers-reduced-motion: reduce).",
    ),
    "tabindex": ("2.4.3", "Above 0 it comes before all else: use 0, and order the text instead."),
    "empty-heading": ("2.4.6", "This heading has no text."),
    "focus-visible": (
        "2.4.7", "By keyboard nobody sees the focus: leave the outline, or style :focus-visible.",
    ),
    "target-size": ("2.5.8", "{0} is {1:g} px: what is pressed needs 24 px, or room around it."),
    "html-lang": ("3.1.1", 'Say the language: <html lang="en">.'),
    "label": (
        "4.1.2", "It has no label: put it into a <label>, or name its id in one's for. A "
        "placeholder is none.",
    ),
    "name": ("4.1.2", "Nothing in it can be read out: add text, or aria-label."),
    "frame-title": ("4.1.2", "Say what is in it: title=…"),
    "duplicate-id": ("4.1.2", "{0!r} is also on line {1}: labels and ARIA find only the first."),
    "aria-role": ("4.1.2", "There is no role {0!r}."),
    "aria-attribute": ("4.1.2", "There is no attribute {0}."),
    "aria-value": ("4.1.2", "{0} is {1!r}, expected {2}."),
    "aria-hidden-focus": ("4.1.2", "It takes the focus but is not read out: remove aria-hidden."),
    "button-type": (
        None, 'Without a type it submits the form around it: type="button", or "submit".',
    ),
}  # fmt: skip
"""By name: the success criterion of WCAG 2.2, the problem, and its fix."""

_FIELDS = ("input", "select", "textarea")
_NO_LABEL = ("hidden", "submit", "button", "reset", "image")
_NOT_PRESSED = ("div", "span", "li", "p", "img", "svg")
_PRESSED = re.compile(
    r"(^|[\s>+~,])(button|a|input|select|summary|\.[\w-]*(btn|button|link)[\w-]*)(?![\w-])"
)
_UPPER = re.compile("[A-Z]")


class Issue(BaseModel):
    """Something wrong, or to look at."""

    line: int
    rule: str
    wcag: str | None = Field(description="Success criterion, like 1.4.3; null: good practice")
    says: str = Field(description="What is wrong and what fixes it")
    source: str


def issues(text: str, kind: Kind) -> list[Issue]:
    """All findings, by line."""
    found: list[Issue] = []
    if kind == "css":
        declarations = css.of_css(text)
    else:
        every = elements(text, jsx=kind == "jsx")
        found += _of_elements(every)
        declarations = css.of_html(text) if kind == "html" else _styles(every)
    found += _of_styles(declarations, text)
    return sorted(found, key=lambda one: one.line)


def _of_elements(every: Sequence[Element]) -> Iterator[Issue]:
    labelled = {one.attributes.get("for") or one.attributes.get("htmlfor") for one in every}
    ids: dict[str, int] = {}
    last = ""
    for one in every:
        yield from _names(one, labelled)
        yield from _presses(one)
        yield from _aria(one)
        given, own = one.attributes, one.attributes.get("id", "")
        if own and not is_expression(own):
            if own in ids:
                yield _issue(one, "duplicate-id", own, ids[own])
            ids.setdefault(own, one.line)
        if re.fullmatch("h[1-6]", one.tag):
            if last and int(one.tag[1]) > int(last[1]) + 1:
                yield _issue(one, "heading-order", one.tag, last)
            if not one.named and not one.spread:
                yield _issue(one, "empty-heading")
            last = one.tag
        if one.tag == "html" and not given.get("lang"):
            yield _issue(one, "html-lang")
        zoom = given.get("content", "").replace(" ", "")
        fixed = re.search(r"user-scalable=(no|0)|maximum-scale=1(\.0*)?(,|$)", zoom)
        if one.tag == "meta" and fixed:
            yield _issue(one, "zoom")


def _names(one: Element, labelled: set[str | None]) -> Iterator[Issue]:
    given, tag, own = one.attributes, one.tag, one.attributes.get("id", "")
    if one.spread or given.get("aria-hidden") == "true":
        return
    if any(given.get(name) for name in ("aria-label", "aria-labelledby", "title")):
        return
    kind = given.get("type", "text")
    if tag in ("img", "area") or (tag == "input" and kind == "image"):
        if "alt" not in given and given.get("role") not in ("presentation", "none"):
            yield _issue(one, "image-alt")
    elif tag in _FIELDS and kind not in _NO_LABEL:
        known = own and (own in labelled or is_expression(own))
        if not known and "label" not in one.inside:
            yield _issue(one, "label")
    elif (tag == "button" or (tag == "a" and "href" in given)) and not one.named:
        yield _issue(one, "name")
    elif tag == "iframe":
        yield _issue(one, "frame-title")


def _presses(one: Element) -> Iterator[Issue]:
    given = one.attributes
    order = given.get("tabindex", "").strip("{}' ")
    if re.fullmatch(r"[0-9]{1,9}", order) and int(order) > 0:
        yield _issue(one, "tabindex")
    if one.spread:
        return
    if one.tag == "button" and "type" not in given:
        yield _issue(one, "button-type")
    if "onclick" in given:
        keys = any(name in given for name in ("onkeydown", "onkeyup", "onkeypress"))
        by_key = keys and "role" in given and "tabindex" in given
        if one.tag in _NOT_PRESSED and not by_key:
            yield _issue(one, "keyboard", "")
        if one.tag == "a" and "href" not in given:
            yield _issue(one, "keyboard", ", or give it an href")


def _aria(one: Element) -> Iterator[Issue]:
    given, role = one.attributes, one.attributes.get("role", "")
    if role and not is_expression(role) and not set(role.split()) & aria.ROLES:
        yield _issue(one, "aria-role", role)
    for name, value in given.items():
        if name.startswith("aria-") and name not in aria.ATTRIBUTES:
            yield _issue(one, "aria-attribute", name)
        allowed = aria.VALUES.get(name)
        if allowed and not is_expression(value) and value not in allowed:
            yield _issue(one, "aria-value", name, value, ", ".join(sorted(allowed)))
    focused = one.tag in ("button", *_FIELDS) or (one.tag == "a" and "href" in given)
    hidden = given.get("aria-hidden") in ("true", "{true}")
    if hidden and focused and given.get("tabindex", "").strip("{}") != "-1":
        yield _issue(one, "aria-hidden-focus")


def _of_styles(declarations: Sequence[css.Declaration], text: str) -> Iterator[Issue]:
    lines = text.splitlines() or [""]
    rules: dict[tuple[str, int], dict[str, css.Declaration]] = {}
    for one in declarations:
        rules.setdefault((one.medium, one.rule), {})[one.name] = one

    def issue(one: css.Declaration, rule: str, *words: object) -> Issue:
        return _told(one.line, rule, lines[min(one.line, len(lines)) - 1].strip(), words)

    moving = []
    for rule in rules.values():
        front, back = rule.get("color"), rule.get("background-color") or rule.get("background")
        if front and back and (pair := _pair(front, back)):
            a, b = pair
            size = rule.get("font-size")
            least = 3.0 if size and (css.pixels(size.value) or 0) >= 24 else 4.5
            if (value := colours.ratio(a, b)) < least:
                better = colours.nearest(a, b, least)
                advice = f": {better.hex} has enough" if better else ""
                yield issue(front, "contrast", a.hex, b.hex, colours.shown(value), least, advice)
        outline = rule.get("outline") or rule.get("outline-style") or rule.get("outline-width")
        gone = outline and re.fullmatch(r"(none|0(px)?)( none)?", outline.text)
        if outline and gone and not {"box-shadow", "border", "border-color"} & rule.keys():
            yield issue(outline, "focus-visible")
        for name in ("width", "height", "min-width", "min-height"):
            length = rule.get(name)
            if length is None or f"min-{name}" in rule or not _PRESSED.search(length.selector):
                continue
            pixels = css.pixels(length.value)
            if pixels is not None and 0 < pixels < 24:
                yield issue(length, "target-size", name, pixels)
        moving += [
            move
            for name in ("animation", "animation-name", "transition")
            if (move := rule.get(name)) and move.text not in ("none", "unset")
        ]
    if moving and "prefers-reduced-motion" not in text:
        yield issue(moving[0], "reduced-motion")


def _pair(
    front: css.Declaration, back: css.Declaration
) -> tuple[colours.Colour, colours.Colour] | None:
    a, b = colours.parsed(front.text), colours.parsed(back.text)
    return None if a is None or b is None or b.alpha < 1 else (a.over(b), b)


def _styles(every: Sequence[Element]) -> list[css.Declaration]:
    """Of style={{…}}, as far as it is written there."""
    found: list[css.Declaration] = []
    for number, one in enumerate(every):
        inner = re.findall(r"(\w+)\s*:\s*(?:'([^']*)'|([\d.]+))", one.attributes.get("style", ""))
        text = "; ".join(
            f"{_UPPER.sub(lambda upper: f'-{upper[0].lower()}', name)}: {value or f'{size}px'}"
            for name, value, size in inner
        )
        found += css.of_style(text, one.line, number + 1)
    return found


def _issue(one: Element, rule: str, *words: object) -> Issue:
    return _told(one.line, rule, re.sub(r"\s+", " ", one.source), words)


def _told(line: int, rule: str, source: str, words: Sequence[object]) -> Issue:
    wcag, says = RULES[rule]
    told = says.format(*(word[:100] if isinstance(word, str) else word for word in words))
    return Issue(line=line, rule=rule, wcag=wcag, says=told, source=source[:200])
