"""The page: files that stand beside this package, in `page`."""

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
    """`/` is index.html, `/assets/<file>` a file of `assets`."""

    def answer(request: Request) -> Response:
        # Looked for among those that there are: no name leads out of the folder.
        files = {f"/assets/{file.name}": file for file in (folder / "assets").iterdir()}
        path = {"/": folder / "index.html", **files}.get(request.scope["path"])
        if path is None or path.name.startswith("."):
            raise HTTPException(404)
        content = path.read_bytes()
        # Of the content: files of an image may all be of the same time.
        headers = {**_HEADERS, "ETag": f'"{hashlib.sha256(content).hexdigest()[:32]}"'}
        known = request.headers.get("if-none-match", "")
        if headers["ETag"] in (tag.strip().removeprefix("W/") for tag in known.split(",")):
            return Response(status_code=304, headers=headers)
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        return Response(content, headers=headers, media_type=kind)

    return [Route("/", answer), Route("/assets/{file}", answer)]
