"""The page's files, with what keeps a browser from anything else."""

import hashlib
import logging

import pytest
from sophia_backend import page

from .conftest import World


@pytest.fixture
async def get(world: World, tmp_path, monkeypatch):
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<p>Grüße")
    (tmp_path / "assets" / "app.js").write_text("1")
    (tmp_path / "assets" / ".hidden").write_text("2")
    (tmp_path / "secret").write_text("3")
    routes = page.routes(tmp_path)
    monkeypatch.setattr(page, "routes", lambda: routes)
    return (await world.backend()).get


async def test_the_page_may_load_its_own_files_and_nothing_else(get):
    answer = await get("/", None)
    assert (answer.status_code, answer.text) == (200, "<p>Grüße")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-cache"


async def test_what_a_browser_has_is_not_sent_again(get):
    first = await get("/assets/app.js", None)
    assert first.headers["content-type"].startswith("text/javascript")
    again = await get(
        "/assets/app.js", None, **{"If-None-Match": f'"x", W/{first.headers["etag"]}'}
    )
    assert (again.status_code, again.content) == (304, b"")
    other = await get("/assets/app.js", None, **{"If-None-Match": '"x"'})
    assert other.status_code == 200


async def test_what_an_open_page_asks_all_the_time_is_not_logged(world: World, caplog):
    backend = await world.backend()
    with caplog.at_level(logging.INFO, "sophia_mcp.app"):
        assert (await backend.get("/api/fleet")).status_code == 200
        assert (await backend.get("/api/dashboards")).status_code == 200
        assert (await backend.get("/api/servers")).status_code == 200
    assert [line.path for line in caplog.records if hasattr(line, "path")] == ["/api/servers"]
    assert 'route="/api/fleet"' in (await backend.get("/metrics")).text


@pytest.mark.parametrize(
    "path",
    ["/assets/", "/assets/none.js", "/assets/.hidden", "/assets/%2e%2e", "/secret",
     "/assets/..%2fsecret", "/assets/%2e%2e%2fsecret", "/assets/%00", "/assets/" + "x" * 3000],
)  # fmt: skip
async def test_nothing_else_is_served(get, path: str):
    answer = await get(path, None)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_library_for_charts_is_as_it_was_published():
    told = (page.FOLDER / "uplot" / "README.md").read_text()
    for name in ("uplot.js", "uplot.css"):
        content = (page.FOLDER / "assets" / name).read_bytes()
        assert f"{hashlib.sha256(content).hexdigest()}  {name}" in told
