"""Arguments of a call: as they were sent, and those that were."""

from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from mcp.server.mcpserver.utilities.func_metadata import FuncMetadata


class Arguments(FuncMetadata):
    """As the SDK's, which reads a text as JSON wherever an argument may be anything besides a text:
    of `str | None`, `{"a": 1}` became an object, and `null` nothing."""

    def pre_parse_json(self, data: dict[str, Any]) -> dict[str, Any]:
        """The same, but what may be a text stays one."""
        known = self.arg_model.model_fields
        texts = {name for name in data if name in known and _takes_text(known[name].annotation)}
        return {**super().pre_parse_json(data), **{name: data[name] for name in texts}}


def given(**arguments: Any) -> dict[str, Any]:
    """Without what is None, which was left out."""
    return {name: value for name, value in arguments.items() if value is not None}


def _takes_text(kind: Any) -> bool:
    if get_origin(kind) is Annotated:
        return _takes_text(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        return any(map(_takes_text, get_args(kind)))
    return kind is str
