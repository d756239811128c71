"""Designs as small trees, and images of them."""

import json
from typing import Annotated, Literal

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field
from sophia_mcp.fields import at
from sophia_mcp.pages import that_fit

from .design import Design, Maybe, design
from .figma import Figma, File, NodeId, Nodes, place
from .raw import Parts, Whole

_Depth = Annotated[
    int | None, Field(ge=1, le=20, description="Levels below the node, or below the file")
]
_Scale = Annotated[float, Field(ge=0.01, le=4, description="Of png and jpg")]
_Refs = Annotated[
    list[Annotated[str, Field(pattern=r"^\w{1,128}$")]] | None,
    Field(max_length=100, description="As in image(REF) of a fill"),
]


class Image(BaseModel):
    """Where an image can be fetched. id: of the node, or of the image in a fill."""

    id: str
    url: Maybe = None
    problem: Maybe = None


class Images(BaseModel):
    """Images of nodes, or those that people put into the file. left_out: more than an answer
    holds."""

    images: list[Image]
    left_out: int = 0
    expires: str


class _Rendered(BaseModel):
    err: str | None = None
    images: dict[str, str | None] | None = None


class _Fills(BaseModel):
    images: dict[str, str | None] = at("meta", "images")


class FileTools:
    """The tools."""

    def __init__(self, figma: Figma) -> None:
        self._figma = figma

    async def get_figma_data(
        self, file: File, node_id: NodeId | None = None, depth: _Depth = None
    ) -> Design:
        """Get a design as a small tree with layout, colors, texts and components. With a node, or
        an address that names one: all of it. Of a whole file: its pages and the frames on them,
        unless depth says otherwise; then ask for single frames by their ids."""
        key, named = place(file)
        if node := node_id or named:
            return await self._nodes(key, [node], depth)
        levels = depth or 2
        whole = await self._figma.get(Whole, "files", key, depth=levels)
        return design(whole, [whole], levels)

    async def get_node(self, file: File, node_ids: Nodes = None, depth: _Depth = None) -> Design:
        """Get some nodes of a file, each with all that is in it unless depth says otherwise. They
        share the tables of styles and components."""
        key, named = place(file)
        return await self._nodes(key, _given(node_ids, named), depth)

    async def _nodes(self, key: str, ids: list[str], depth: int | None) -> Design:
        found = await self._figma.get(
            Parts, "files", key, "nodes", ids=",".join(dict.fromkeys(ids)), depth=depth
        )
        parts = [part for part in found.nodes.values() if part]
        missing = [id for id in dict.fromkeys(ids) if not found.nodes.get(id)]
        if not parts:
            raise ToolError(
                f"node_ids: the file has no {', '.join(missing)}; get_figma_data lists its frames "
                "(a node of a branch needs the branch's address)"
            )
        small = design(found, parts, depth)
        small.missing = missing or None
        return small

    async def get_images(
        self, file: File, node_ids: Nodes = None, image_refs: _Refs = None,
        format: Literal["png", "svg", "jpg", "pdf"] = "png", scale: _Scale = 1,
    ) -> Images:  # fmt: skip
        """Get addresses of images: nodes as Figma draws them, or with image_refs the pictures that
        fills hold. Without either, all pictures of the file."""
        key, named = place(file)
        if image_refs is None and (ids := _ids(node_ids, named)):
            return await self._rendered(key, ids, format, scale)
        fills = (await self._figma.get(_Fills, "files", key, "images")).images
        wanted = fills if image_refs is None else {ref: fills.get(ref) for ref in image_refs}
        images = [
            Image(id=ref, url=url, problem=None if url else "the file has no such picture")
            for ref, url in wanted.items()
        ]
        kept = that_fit(images)
        return Images(
            images=kept, left_out=len(images) - len(kept), expires="within 14 days at most"
        )

    async def _rendered(self, key: str, ids: list[str], format: str, scale: float) -> Images:
        many = ",".join(ids)
        size = scale if format in ("png", "jpg") else None
        found = await self._figma.get(_Rendered, "images", key, ids=many, format=format, scale=size)
        if found.err:
            raise self._figma.api.refusal(json.dumps({"err": found.err}).encode())
        urls = found.images or {}
        problem = "not drawn: there is no such node, or nothing to see in it"
        return Images(
            images=[
                Image(id=id, url=urls.get(id), problem=None if urls.get(id) else problem)
                for id in ids
            ],
            expires="after 30 days",
        )


def _ids(given: list[str] | None, named: str | None) -> list[str]:
    return list(dict.fromkeys(given or ([named] if named else [])))


def _given(given: list[str] | None, named: str | None) -> list[str]:
    """The nodes that are meant.

    Raises:
        ToolError: none is.
    """
    if not (ids := _ids(given, named)):
        raise ToolError("node_ids: expected ids such as 1:2, or an address with node-id, got none")
    return ids
