"""Converts between the wire (JSON-like values of the engine's protocol) and dataclasses. Pure.

On the wire, names are camelCase, numbers are floats, a secret is an object with a signature, and a
value that is unknown before an `up` is a sentinel string (pulumi:
sdk/go/common/resource/plugin/rpc.go).
"""

from __future__ import annotations

import dataclasses
import functools
import json
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from providers.runtime.declare import Fault, property_of

Wire = Any
"""A JSON value that may hold secrets and unknowns."""

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"


def camel(name: str) -> str:
    """`public_key` → `publicKey`."""
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def secret(value: Wire) -> Wire:
    """Marks a wire value secret, once."""
    return value if is_secret(value) else {_SIGNATURE: _SECRET, "value": value}


def is_secret(value: Wire) -> bool:
    return isinstance(value, Mapping) and value.get(_SIGNATURE) == _SECRET


def plain(value: Wire) -> Wire:
    """The value without secret marks, at any depth."""
    if is_secret(value):
        return plain(value.get("value"))
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return value


def has_unknown(value: Wire) -> bool:
    """Whether any part of it is not known yet."""
    value = plain(value)
    if isinstance(value, Mapping):
        return any(has_unknown(inner) for inner in value.values())
    if isinstance(value, list):
        return any(has_unknown(inner) for inner in value)
    return bool(value == UNKNOWN)


def fields_of(cls: type[Any]) -> tuple[tuple[dataclasses.Field[Any], Any], ...]:
    """The fields of a declared dataclass, each with its resolved type."""
    hashable: Any = cls  # to mypy a class isn't
    return _resolved(hashable)


@functools.cache
def _resolved(cls: Any) -> tuple[tuple[dataclasses.Field[Any], Any], ...]:
    hints = typing.get_type_hints(cls)
    return tuple((item, hints[item.name]) for item in dataclasses.fields(cls))


def optional(kind: Any) -> tuple[Any, bool]:
    """(`T`, True) of `T | None`; (the type, False) of any other."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        inner = [arm for arm in typing.get_args(kind) if arm is not type(None)]
        return (inner[0], True) if len(inner) == 1 else (Any, True)
    return kind, False


def has_default(item: dataclasses.Field[Any]) -> bool:
    return (
        item.default is not dataclasses.MISSING or item.default_factory is not dataclasses.MISSING
    )


def default_of(item: dataclasses.Field[Any]) -> Any:
    if item.default is not dataclasses.MISSING:
        return item.default
    assert item.default_factory is not dataclasses.MISSING
    return item.default_factory()


def faults_of(cls: type[Any], wire: Mapping[str, Wire], path: str = "") -> Iterator[Fault]:
    """Everything in `wire` that doesn't have the declared shape. Unknown values are accepted."""
    known = {camel(item.name): (item, kind) for item, kind in fields_of(cls)}
    for key in wire:
        if key not in known and not key.startswith("__"):
            yield Fault(path + key, f"unknown key, expected one of {', '.join(sorted(known))}")
    for key, (item, kind) in known.items():
        if plain(wire.get(key)) is None:
            if not has_default(item) and not optional(kind)[1]:
                yield Fault(path + key, f"missing, expected {describe(kind)}")
        else:
            yield from _value_faults(kind, plain(wire[key]), path + key)


def _value_faults(kind: Any, value: Wire, path: str) -> Iterator[Fault]:
    kind, _ = optional(kind)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any or value == UNKNOWN:
        return
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        if isinstance(value, Mapping):
            yield from faults_of(kind, value, path + ".")
        else:
            yield Fault(path, _unexpected(kind, value))
    elif origin is list and isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _value_faults(arguments[0], inner, f"{path}[{index}]")
    elif origin is dict and isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _value_faults(arguments[1], inner, f"{path}.{key}")
    elif not _is_scalar(kind, value):
        yield Fault(path, _unexpected(kind, value))


def _is_scalar(kind: Any, value: Wire) -> bool:
    if isinstance(value, bool) or kind is bool:
        return kind is bool and isinstance(value, bool)
    if kind is int:
        return isinstance(value, (int, float)) and float(value).is_integer()
    if kind is float:
        return isinstance(value, (int, float))
    return kind is str and isinstance(value, str)


def _unexpected(kind: Any, value: Wire) -> str:
    # The value itself may be a secret: show only its type.
    return f"got {type(value).__name__}, expected {describe(kind)}"


def describe(kind: Any) -> str:
    """A type in words for users."""
    kind, may_be_absent = optional(kind)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is list:
        text = f"a list of {describe(arguments[0])}"
    elif origin is dict:
        text = f"a map of {describe(arguments[1])}"
    else:
        names = {str: "a string", int: "a whole number", float: "a number", bool: "true or false"}
        text = names.get(kind, "an object")
    return f"{text} (or nothing)" if may_be_absent else text


def decode(cls: type[Any], wire: Mapping[str, Wire]) -> Any:
    """An instance of `cls`. A missing field gets its default, or else the empty value of its type:
    a state written by an interrupted run or an older version must stay readable. Inputs have passed
    `faults_of` before."""
    values = {}
    for item, kind in fields_of(cls):
        value = plain(wire.get(camel(item.name)))
        if value is None:
            values[item.name] = default_of(item) if has_default(item) else _empty(kind)
        else:
            values[item.name] = _decode_value(kind, value)
    return cls(**values)


def _decode_value(kind: Any, value: Wire) -> Any:
    kind, _ = optional(kind)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return decode(kind, value)
    if origin is list:
        return [_decode_value(arguments[0], inner) for inner in value]
    if origin is dict:
        return {key: _decode_value(arguments[1], inner) for key, inner in value.items()}
    if kind is int:
        return int(value)
    return float(value) if kind is float else value


def _empty(kind: Any) -> Any:
    bare, may_be_absent = optional(kind)
    if may_be_absent or bare is Any:
        return None
    if dataclasses.is_dataclass(bare) and isinstance(bare, type):
        return decode(bare, {})
    return (typing.get_origin(bare) or bare)()


def decode_config(cls: type[Any], wire: Mapping[str, Wire]) -> Mapping[str, Wire]:
    """Provider configuration from the stack's config file arrives as JSON text: parsed here."""
    parsed = dict(plain(dict(wire)))
    for item, kind in fields_of(cls):
        key, value = camel(item.name), plain(wire.get(camel(item.name)))
        if isinstance(value, str) and value != UNKNOWN and optional(kind)[0] is not str:
            try:
                parsed[key] = json.loads(value)
            except ValueError:
                parsed[key] = value
    return parsed


def encode(value: Any) -> Wire:
    """A declared dataclass instance (or a part of one) as a wire value; `None` is left out."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        encoded = {}
        for item, _ in fields_of(type(value)):
            inner = getattr(value, item.name)
            if inner is not None:
                part = encode(inner)
                encoded[camel(item.name)] = secret(part) if property_of(item).secret else part
        return encoded
    if isinstance(value, Mapping):
        return {key: encode(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [encode(inner) for inner in value]
    return value


def with_secrets(cls: type[Any], wire: Mapping[str, Wire]) -> dict[str, Wire]:
    """`wire` with every declared secret marked as secret, at any depth."""
    marked = dict(wire)
    for item, kind in fields_of(cls):
        key = camel(item.name)
        if wire.get(key) is None:
            continue
        marked[key] = _nested_secrets(optional(kind)[0], wire[key])
        if property_of(item).secret and plain(marked[key]) != UNKNOWN:
            marked[key] = secret(marked[key])
    return marked


def _nested_secrets(kind: Any, value: Wire) -> Wire:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type) and isinstance(value, Mapping):
        return value if is_secret(value) else with_secrets(kind, value)
    if origin is list and isinstance(value, list):
        return [_nested_secrets(arguments[0], inner) for inner in value]
    return value


def merged(cls: type[Any], recorded: Mapping[str, Wire], live: Any) -> dict[str, Wire]:
    """`live` on the wire, each unchanged field exactly as recorded: what a program marked secret
    stays marked, and a field left to its default stays absent."""
    encoded = encode(live)
    result = {key: value for key, value in recorded.items() if key.startswith("__")}
    for item, kind in fields_of(cls):
        key = camel(item.name)
        if normal(item, kind, recorded.get(key)) == normal(item, kind, encoded.get(key)):
            if key in recorded:
                result[key] = recorded[key]
        elif key in encoded:
            was_secret = key in recorded and is_secret(recorded[key])
            result[key] = secret(encoded[key]) if was_secret else encoded[key]
    return result


def normal(item: dataclasses.Field[Any], kind: Any, value: Wire) -> Any:
    """A field's value in a form in which two of them can be compared."""
    value = plain(value)
    if has_unknown(value):
        return UNKNOWN
    if value is None:
        return default_of(item) if has_default(item) else None
    return _decode_value(kind, value)
