"""Pure: values of properties, as Notion has them and as a model reads and writes them."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel
from sophia_mcp.pages import cut

from .arguments import read_id

PIECE = 1_000
"""Characters of one rich text. Notion takes 2,000 UTF-16 units, and an emoji has two of them."""

_EXPECTED = {
    "title": "a text",
    "rich_text": "a text",
    "number": "a number",
    "checkbox": "true or false",
    "url": "an address",
    "email": "an address",
    "phone_number": "a text",
    "select": "the name of an option",
    "status": "the name of an option",
    "multi_select": "names of options",
    "date": "2026-11-27, 2026-11-27T09:00:00Z, or two of them as start/end",
    "people": "ids of list_users",
    "relation": "ids of pages",
    "files": "addresses",
}


class Property(BaseModel):
    """A property of a data source. options: of select, multi_select and status.

    data_source_id: what a relation leads to.
    """

    name: str
    type: str
    options: list[str] | None = None
    data_source_id: str | None = None


def inside(value: object, key: object) -> Any:
    """An object's value for a key; None also if it isn't an object."""
    return value.get(key) if isinstance(value, dict) and isinstance(key, str) else None


def entries(value: object) -> dict[str, Any]:
    """An object; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def text(rich: object) -> str:
    """A rich text without its styles."""
    items = rich if isinstance(rich, list) else []
    return "".join(str(inside(item, "plain_text") or "") for item in items)


def rich(content: str) -> list[dict[str, Any]]:
    """A text of any length as Notion takes it."""
    pieces = [content[at : at + PIECE] for at in range(0, len(content), PIECE)]
    return [{"type": "text", "text": {"content": piece}} for piece in pieces]


def plain(value: object) -> Any:
    """The value of a page's property as `built` takes it; of a computed one, its result."""
    kind = inside(value, "type")
    inner = inside(value, kind)
    every = inner if isinstance(inner, list) else []
    match kind:
        case "title" | "rich_text":
            return text(inner)
        case "select" | "status":
            return inside(inner, "name")
        case "multi_select":
            return [inside(one, "name") for one in every]
        case "date":
            return "/".join(filter(None, (inside(inner, "start"), inside(inner, "end")))) or None
        case "people":
            return [_person(one) for one in every]
        case "created_by" | "last_edited_by":
            return _person(inner)
        case "relation":
            more = ["… and more"] if inside(value, "has_more") else []
            return [inside(one, "id") for one in every] + more
        case "files":
            return [{"name": inside(one, "name"), "url": file_url(one)} for one in every]
        case "formula" | "rollup":
            return plain(inner)
        case "array":
            return [plain(one) for one in every]
        case "unique_id":
            return "-".join(str(p) for p in (inside(inner, "prefix"), inside(inner, "number")) if p)
    return inner


def built(field: Property, given: Any) -> dict[str, Any]:
    """A value of `field` as Notion takes it; None empties it.

    Raises:
        ValueError: it takes no such value.
    """
    every = given if isinstance(given, list) else [] if given is None else [given]
    texts = all(isinstance(one, str) for one in every)
    one_text = texts and not isinstance(given, list)
    inner: Any
    match field.type:
        case "title" | "rich_text" if one_text:
            inner = rich(given or "")
        case "number" if given is None or type(given) in (int, float):
            inner = given
        case "checkbox" if isinstance(given, bool):
            inner = given
        case "url" | "email" | "phone_number" if one_text:
            inner = given or None
        case "select" | "status" if one_text:
            inner = {"name": option(field, given)} if given else None
        case "multi_select" if texts:
            inner = [{"name": option(field, one)} for one in every]
        case "date" if one_text:
            inner = _date(field, given) if given else None
        case "people" | "relation":
            inner = [{"id": _id(field, one)} for one in every]
        case "files" if texts:
            inner = [{"name": one[-100:], "external": {"url": one}} for one in every]
        case _:
            raise wrong(field, given)
    return {field.type: inner}


def option(field: Property, given: str) -> str:
    """The option with this name, ignoring case; for kinds without options, the text.

    Raises:
        ValueError: there is no such option.
    """
    if field.options is None or given in field.options:
        return given
    for name in field.options:
        if name.casefold() == given.casefold():
            return name
    there = cut(", ".join(map(repr, field.options)), 1_000) or "none"
    raise ValueError(f"{field.name}: got {given!r}, expected one of its options: {there}")


def wrong(field: Property, given: object) -> ValueError:
    """For a value that the property does not take."""
    expected = _EXPECTED.get(field.type)
    if expected is None:
        return ValueError(f"{field.name}: a {field.type} can't be set here")
    return ValueError(
        f"{field.name}: it is a {field.type}, expected {expected}, got {str(given)[:100]!r}"
    )


def file_url(value: object) -> str | None:
    """Of a file, which is uploaded or elsewhere."""
    inner = inside(value, "external") or inside(value, "file")
    url = inside(inner, "url")
    return url if isinstance(url, str) else None


def _person(value: object) -> dict[str, Any] | None:
    return {"id": inside(value, "id"), "name": inside(value, "name")} if value else None


def _id(field: Property, given: object) -> str:
    given = inside(given, "id") or given  # as they are read
    if not isinstance(given, str):
        raise wrong(field, given)
    try:
        return read_id(given, "peek", "path")
    except ValueError as error:
        raise ValueError(f"{field.name}: {error}") from None


def _date(field: Property, given: str) -> dict[str, str]:
    moments = [moment.strip() for moment in given.split("/")]
    try:
        for moment in moments:
            datetime.fromisoformat(moment)
    except ValueError:
        raise wrong(field, given) from None
    if len(moments) > 2:
        raise wrong(field, given)
    return dict(zip(("start", "end"), moments, strict=False))
