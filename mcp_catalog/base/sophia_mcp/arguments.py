"""Arguments of a call: kept as they were sent, and only those that were sent."""

from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from mcp.server.mcpserver.utilities.func_metadata import FuncMetadata


class Arguments(FuncMetadata):
    """Like the SDK's, which reads a text as JSON if an argument may also be something else: for
    `str | None`, `{"a": 1}` became an object, and `null` None."""

    def pre_parse_json(self, data: dict[str, Any]) -> dict[str, Any]:
        """The same, but an argument that may be a text stays a text."""
        known = self.arg_model.model_fields
        texts = {name for name in data if name in known and _takes_text(known[name].annotation)}
        return {**super().pre_parse_json(data), **{name: data[name] for name in texts}}


def given(**arguments: Any) -> dict[str, Any]:
    """Without None values, which were left out."""
    return {name: value for name, value in arguments.items() if value is not None}


def _takes_text(kind: Any) -> bool:
    if get_origin(kind) is Annotated:
        return _takes_text(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        return any(map(_takes_text, get_args(kind)))
    return kind is str
