"""The classes that Pulumi programs use for declared resources: one short subclass per resource.

class SshKey(Declared, lifecycle=ssh_key.SshKey):
    fingerprint: pulumi.Output[str]

SshKey("deploy", name="deploy", public_key=key.public_key, opts=ResourceOptions(parent=self))
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from typing import Any, ClassVar

import pulumi

from providers.runtime.codec import camel, fields_of, has_default, optional
from providers.runtime.declare import Function, Lifecycle, property_of
from providers.runtime.declare import Provider as DeclaredPackage


class Declared(pulumi.CustomResource):
    """A resource of ours. Inputs are keyword arguments in snake_case, nested values are mappings
    or instances of the declared dataclasses; each input and output is an attribute.

    Raises TypeError for an unknown or a missing input.
    """

    _lifecycle: ClassVar[type[Lifecycle[Any, Any]]]

    def __init_subclass__(
        cls, lifecycle: type[Lifecycle[Any, Any]] | None = None, **options: Any
    ) -> None:
        super().__init_subclass__(**options)
        if lifecycle is not None:  # a shared base class has none
            cls._lifecycle = lifecycle
            cls.pulumi_type = lifecycle.token  # type: ignore[attr-defined]

    def __init__(
        self, resource_name: str, opts: pulumi.ResourceOptions | None = None, **inputs: Any
    ) -> None:
        kind = type(self)._lifecycle
        props = _properties(kind.token, kind.Inputs, inputs)
        props |= {camel(item.name): None for item, _ in fields_of(kind.Outputs)}
        super().__init__(kind.token, resource_name, props, opts)
        # The SDK's translation of names would rewrite the keys of nested maps as well.
        for item, _ in (*fields_of(kind.Inputs), *fields_of(kind.Outputs)):
            if (output := self.__dict__.get(camel(item.name))) is not None:
                self.__dict__[item.name] = output


class DeclaredProvider(pulumi.ProviderResource):
    """An explicitly configured provider of one of our packages."""

    _package: ClassVar[type[DeclaredPackage]]

    def __init_subclass__(cls, provider: type[DeclaredPackage], **options: Any) -> None:
        super().__init_subclass__(**options)
        cls._package = provider

    def __init__(
        self, resource_name: str, opts: pulumi.ResourceOptions | None = None, **config: Any
    ) -> None:
        package = type(self)._package
        props = _properties(package.name, package.Config, config)
        # Configuration travels as text: anything else is JSON in a string.
        for item, kind in fields_of(package.Config):
            key = camel(item.name)
            if key in props and optional(kind)[0] is not str:
                props[key] = pulumi.Output.json_dumps(props[key])
        opts = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(version=package.version))
        super().__init__(package.name, resource_name, props, opts)


def invoke(
    function: type[Function[Any, Any]], opts: pulumi.InvokeOptions | None = None, **inputs: Any
) -> pulumi.Output[Any]:
    """Calls a declared provider function; the answer is its wire form (camelCase keys)."""
    props = _properties(function.token, function.Inputs, inputs)
    return pulumi.Output.from_input(pulumi.runtime.invoke_output(function.token, props, opts))


def _properties(owner: str, cls: type[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    declared = {item.name: (item, kind) for item, kind in fields_of(cls)}
    if unknown := sorted(set(values) - set(declared)):
        raise TypeError(f"{owner}: unknown {unknown}, expected some of {sorted(declared)}")
    missing = [
        name
        for name, (item, kind) in declared.items()
        if values.get(name) is None and not has_default(item) and not optional(kind)[1]
    ]
    if missing:
        raise TypeError(f"{owner}: missing {missing}")
    props = {}
    for name, value in values.items():
        item, kind = declared[name]
        if value is not None:
            wire = _wire(optional(kind)[0], value)
            props[camel(name)] = pulumi.Output.secret(wire) if property_of(item).secret else wire
    return props


def _wire(kind: Any, value: Any) -> Any:
    """Nested field names in camelCase, also inside outputs; keys of free-form maps unchanged."""
    if isinstance(value, pulumi.Output):
        return value.apply(lambda known: _wire(kind, known)) if _has_fields(kind) else value
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            value = {item.name: getattr(value, item.name) for item in dataclasses.fields(value)}
        return _properties(kind.__name__, kind, value)
    if origin is list and isinstance(value, (list, tuple)):
        return [_wire(arguments[0], inner) for inner in value]
    if origin is dict and isinstance(value, Mapping):
        return {key: _wire(arguments[1], inner) for key, inner in value.items()}
    return value


def _has_fields(kind: Any) -> bool:
    if dataclasses.is_dataclass(kind):
        return True
    return any(_has_fields(argument) for argument in typing.get_args(kind))
