"""The Pulumi schema of a declared provider, from which SDKs of other languages are generated. Pure.

Format: pulumi/pkg/codegen/schema (the package schema's JSON meta-schema).
"""

from __future__ import annotations

import dataclasses
import typing
from typing import Any

from providers.runtime.codec import camel, fields_of, has_default, optional
from providers.runtime.declare import Provider, property_of


def schema_of(provider: Provider) -> dict[str, Any]:
    """The whole package: configuration, resources, functions and the types they use."""
    objects: dict[str, Any] = {}
    config = _object(provider.name, provider.Config, objects)
    resources = {}
    for lifecycle in provider.lifecycles:
        inputs = _object(provider.name, lifecycle.Inputs, objects)
        outputs = _object(provider.name, lifecycle.Outputs, objects)
        resources[lifecycle.token] = {
            "description": (lifecycle.__doc__ or "").strip(),
            "properties": inputs["properties"] | outputs["properties"],
            "required": inputs["required"] + outputs["required"],
            "inputProperties": inputs["properties"],
            "requiredInputs": inputs["required"],
        }
    functions = {
        function.token: {
            "description": (function.__doc__ or "").strip(),
            "inputs": _object(provider.name, function.Inputs, objects),
            "outputs": _object(provider.name, function.Outputs, objects),
        }
        for function in provider.functions
    }
    return {
        "name": provider.name,
        "version": provider.version,
        "config": {"variables": config["properties"]},
        "provider": {
            "inputProperties": config["properties"],
            "requiredInputs": config["required"],
        },
        "resources": resources,
        "functions": functions,
        "types": objects,
    }


def _object(package: str, cls: type[Any], objects: dict[str, Any]) -> dict[str, Any]:
    properties, required = {}, []
    for item, kind in fields_of(cls):
        declared = property_of(item)
        bare, may_be_absent = optional(kind)
        spec = _type(package, bare, objects)
        if declared.doc:
            spec["description"] = declared.doc
        if declared.secret:
            spec["secret"] = True
        if declared.replace:
            spec["willReplaceOnChanges"] = True
        properties[camel(item.name)] = spec
        if not may_be_absent and not has_default(item):
            required.append(camel(item.name))
    return {"type": "object", "properties": properties, "required": required}


def _type(package: str, kind: Any, objects: dict[str, Any]) -> dict[str, Any]:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is list:
        return {"type": "array", "items": _type(package, arguments[0], objects)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _type(package, arguments[1], objects)}
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        token = f"{package}:index:{kind.__name__}"
        if token not in objects:
            objects[token] = {}  # a type may mention itself
            objects[token] = _object(package, kind, objects)
        return {"$ref": f"#/types/{token}"}
    if kind is Any:
        return {"$ref": "pulumi.json#/Any"}
    return {"type": {str: "string", int: "integer", float: "number", bool: "boolean"}[kind]}
