"""The page: files in `page`, beside this package."""

import hashlib
import mimetypes
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

FOLDER = Path(__file__).parents[1] / "page"

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def routes(folder: Path = FOLDER) -> list[Route]:
    """`/` is index.html, `/assets/<file>` a file of `assets`, each read only once, since none
    changes."""
    assets = (file for file in (folder / "assets").iterdir() if not file.name.startswith("."))
    files = {f"/assets/{file.name}": _File(file) for file in assets}
    files["/"] = _File(folder / "index.html")

    async def answer(request: Request) -> Response:
        # Look only among existing files, so no name leads out of the folder.
        file = files.get(request.scope["path"])
        if file is None:
            raise HTTPException(404)
        headers = {**_HEADERS, "ETag": file.tag}
        known = request.headers.get("if-none-match", "")
        if file.tag in (tag.strip().removeprefix("W/") for tag in known.split(",")):
            return Response(status_code=304, headers=headers)
        return Response(file.content, headers=headers, media_type=file.kind)

    return [Route("/", answer), Route("/assets/{file}", answer)]


class _File:
    """tag: a hash of the content, as an image's files may all have the same time."""

    def __init__(self, path: Path) -> None:
        self.content = path.read_bytes()
        self.tag = f'"{hashlib.sha256(self.content).hexdigest()[:32]}"'
        self.kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
