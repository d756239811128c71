"""Wire values in and out of protobuf's Struct."""

from __future__ import annotations

from collections.abc import Mapping

from google.protobuf import json_format, struct_pb2

from providers.runtime.codec import Wire


def from_struct(struct: struct_pb2.Struct) -> dict[str, Wire]:
    wire: dict[str, Wire] = json_format.MessageToDict(struct)
    return wire


def to_struct(wire: Mapping[str, Wire]) -> struct_pb2.Struct:
    struct = struct_pb2.Struct()
    json_format.ParseDict({k: v for k, v in wire.items() if v is not None}, struct)
    return struct
