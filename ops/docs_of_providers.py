"""docs/reference/providers.md: every resource of our two providers, from its declaration. Pure."""

from __future__ import annotations

import dataclasses
import inspect
import re
import typing
from collections.abc import Iterator
from typing import Any

from providers.lambdalabs.provider import LambdaLabs
from providers.runtime.codec import camel, fields_of, has_default, optional
from providers.runtime.declare import Function, Lifecycle, Provider, property_of
from providers.swarm.provider import Swarm

PROVIDERS = (LambdaLabs, Swarm)

HEAD = """\
# Providers

Written by `make docs` from the declarations in `providers/`; don't edit it here.

A Python program uses them through `providers/lambdalabs/resources.py` and
`providers/swarm/resources.py`, with names in snake_case; names below are those of the state and of
other languages. Every input is an output, too. A change of an input that
*replaces* replaces the resource.
"""
WORDS = {str: "text", int: "integer", float: "number", bool: "true or false", Any: "any JSON"}


def row(*cells: str) -> str:
    """A row of a table."""
    return "| " + " | ".join(escaped(cell).replace("|", "\\|") for cell in cells) + " |\n"


def escaped(text: str) -> str:
    """Escapes `<name>` outside code, since Markdown takes it for HTML."""
    return re.sub(r"(`[^`]*`)|<", lambda found: found[1] or "&lt;", text)


def page() -> str:
    """The whole page."""
    return HEAD + "".join(map(_package, PROVIDERS))


def _package(package: type[Provider]) -> str:
    parts = [
        f"\n## Package {package.name}\n\n{_prose(package)}\n",
        _table("configuration", package.Config),
    ]
    parts += map(_resource, package.lifecycles)
    parts += map(_function, package.functions)
    used: dict[str, type[Any]] = {}
    for owner in (package, *package.lifecycles, *package.functions):
        for cls in (getattr(owner, name, None) for name in ("Config", "Inputs", "Outputs")):
            used |= {inner.__name__: inner for inner in _types(cls)} if cls else {}
    parts += (
        f"\n### {name}\n\n{_prose(cls)}\n{_table('field', cls)}" for name, cls in used.items()
    )
    return "".join(parts)


def _resource(lifecycle: type[Lifecycle[Any, Any]]) -> str:
    head = f"\n### {lifecycle.token}\n\n{_prose(lifecycle)}\n"
    return head + _table("input", lifecycle.Inputs) + _table("output", lifecycle.Outputs)


def _function(function: type[Function[Any, Any]]) -> str:
    head = f"\n### {function.token}\n\nA function. {_prose(function)}\n"
    return head + _table("input", function.Inputs) + _table("output", function.Outputs)


def _prose(cls: type[Any]) -> str:
    """The docstring, unless `dataclass` has generated it."""
    text = inspect.cleandoc(cls.__doc__ or "")
    return "" if text.startswith(f"{cls.__name__}(") else escaped(text)


def _table(kind: str, cls: type[Any]) -> str:
    rows = "".join(_row(item, of, kind == "output") for item, of in fields_of(cls))
    return f"\n| {kind} | type | default | |\n|---|---|---|---|\n{rows}" if rows else ""


def _row(item: dataclasses.Field[Any], kind: Any, is_output: bool) -> str:
    declared, (bare, _) = property_of(item), optional(kind)
    marks = [word for word in ("replace", "secret") if getattr(declared, word)]
    marked = "".join(f"*{'replaces' if word == 'replace' else word}* " for word in marks)
    default = "" if is_output else _default(item)
    return row(f"`{camel(item.name)}`", _type(bare), default, f"{marked}{declared.doc}".strip())


def _default(item: dataclasses.Field[Any]) -> str:
    if not has_default(item):
        return "required"
    factory = item.default_factory
    value = item.default if factory is dataclasses.MISSING else factory()
    if value in (None, "", [], {}) or dataclasses.is_dataclass(value):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _type(kind: Any) -> str:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is list:
        return f"list of {_type(arguments[0])}"
    if origin is dict:
        return f"map of {_type(arguments[1])}"
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return f"[{kind.__name__}](#{kind.__name__.lower()})"
    return WORDS[kind]


def _types(cls: type[Any]) -> Iterator[type[Any]]:
    """The dataclasses in its fields, at any depth."""
    for _, kind in fields_of(cls):
        yield from _inside(kind)


def _inside(kind: Any) -> Iterator[type[Any]]:
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        yield kind
        yield from _types(kind)
    for argument in typing.get_args(kind):
        yield from _inside(argument)
