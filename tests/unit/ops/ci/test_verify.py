"""Whether clients get through, at a gateway that is a real MCP server over TLS."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn
from fastmcp import FastMCP
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Mount, Route

from ops.ci import verify
from ops.stack import StackError
from tests.support.certificates import issue
from tests.support.gateway import HOST, platforms_certificate
from tests.support.polling import until

SERVERS = ("ai_memory", "github")


class Gateway:
    """broken: status by server. silent: servers that never answer. hosts: the names it was called
    by."""

    def __init__(self, pem: str, authority: str, name: str = "") -> None:
        self.broken: dict[str, int] = {}
        self.silent: set[str] = set()
        self.hosts: set[str] = set()
        self.authority, self.name, self.pem = authority, name, pem
        self.port = 0

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def outputs(self) -> dict[str, Any]:
        return {
            "gateway_urls": [self.url],
            "gateway_url": f"https://{self.name or '127.0.0.1'}:{self.port}",
            "gateway_token": "the token",
            "ca_certificate": self.authority,
            "mcp_endpoints": {server: f"{self.url}/mcp/{server}" for server in SERVERS},
        }

    @contextlib.contextmanager
    def serving(self, file: str) -> Iterator[None]:
        config = uvicorn.Config(self._app(), log_level="error", ssl_certfile=file, lifespan="on")
        server = uvicorn.Server(config)
        with socket.create_server(("127.0.0.1", 0)) as listening:
            self.port = listening.getsockname()[1]
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
            thread.start()
            try:
                until(lambda: server.started, bool, "the gateway", seconds=30)
                yield
            finally:
                server.should_exit = True
                thread.join()

    def _app(self) -> Starlette:
        apps = {server: self._server(server, f"/mcp/{server}") for server in SERVERS}
        apps["mcp"] = self._server("all", "/mcp")

        @contextlib.asynccontextmanager
        async def lifespan(_: Starlette):
            async with contextlib.AsyncExitStack() as running:
                for app in apps.values():
                    await running.enter_async_context(app.lifespan(app))
                yield

        routes = [Route("/health", self._health), Mount("", self._guarded(apps))]
        return Starlette(routes=routes, lifespan=lifespan)

    @staticmethod
    def _server(name: str, path: str) -> Any:
        made = FastMCP(name)

        @made.tool
        def ping() -> str:
            return "pong"

        return made.http_app(path=path, stateless_http=True, json_response=True)

    def _guarded(self, apps: dict[str, Any]) -> Any:
        async def guarded(scope: Any, receive: Any, send: Any) -> None:
            request = Request(scope)
            server = scope["path"].rpartition("/")[2]
            self.hosts.add(request.headers["host"])
            if request.headers.get("authorization") != "Bearer the token":
                await PlainTextResponse("who are you?", 401)(scope, receive, send)
            elif server in self.silent:
                await asyncio.sleep(5)
            elif status := self.broken.get(server):
                await PlainTextResponse("broken", status)(scope, receive, send)
            else:
                await apps[server](scope, receive, send)

        return guarded

    def _health(self, _: Request) -> JSONResponse:
        return JSONResponse({"healthy_replicas": dict.fromkeys(SERVERS, 1)})


@pytest.fixture(scope="module")
def platform(tmp_path_factory) -> Iterator[Gateway]:
    """With a certificate of the stack's own CA, which holds addresses."""
    pem, authority = platforms_certificate()
    file = tmp_path_factory.mktemp("gateway") / "pem"
    file.write_text(pem)
    gateway = Gateway(pem, authority)
    with gateway.serving(str(file)):
        yield gateway


@pytest.fixture
def gateway(platform) -> Gateway:
    platform.broken.clear()
    platform.silent.clear()
    return platform


def test_every_server_is_called_through_every_gateway(gateway):
    lines: list[str] = []
    verify.verify(gateway.outputs, [gateway.url, gateway.url], lines.append, 20)
    each = [f"{gateway.url}/mcp/{server}: 1 tools" for server in SERVERS]
    assert sorted(lines) == sorted(2 * [*each, f"{gateway.url}/mcp: all servers as one"])


def test_an_address_is_called_directly_whatever_proxy_this_network_has(gateway, monkeypatch):
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "localhost")
    verify.verify(gateway.outputs, [gateway.url], print, 0)


def test_a_server_that_answers_with_an_error_is_named(gateway):
    gateway.broken["github"] = 500
    with pytest.raises(StackError) as failed:
        verify.verify(gateway.outputs, [gateway.url], print, 0)
    assert f"{gateway.url}/mcp/github: " in str(failed.value)
    assert "ai_memory" not in str(failed.value)


def test_what_is_broken_for_a_moment_is_waited_for(gateway):
    gateway.broken["github"] = 503
    healed = threading.Timer(1.5, gateway.broken.clear)
    healed.start()
    verify.verify(gateway.outputs, [gateway.url], print, 30)
    healed.join()


def test_however_many_do_not_answer_it_ends_before_its_job_does(gateway, monkeypatch):
    """A job that runs out of time is cancelled, not failed, and nothing is rolled back."""
    monkeypatch.setattr(verify, "_ANSWER", 1.0)
    gateway.silent.update(SERVERS, {"mcp"})
    began = time.monotonic()
    with pytest.raises(StackError) as failed:
        verify.verify(gateway.outputs, [gateway.url] * 6, print, 0)
    assert time.monotonic() - began < 6, "one after another they take 18 s"
    assert str(failed.value).count("no answer within 1 s") == 18


def test_a_wrong_token_is_a_failure_and_not_told(gateway):
    outputs = {**gateway.outputs, "gateway_token": "secret-of-another"}
    with pytest.raises(StackError) as failed:
        verify.verify(outputs, [gateway.url], print, 0)
    assert "HTTP 401 Unauthorized" in str(failed.value)
    assert "secret-of-another" not in str(failed.value)


def test_a_certificate_of_another_authority_is_a_failure(gateway):
    _, other = platforms_certificate()
    with pytest.raises(StackError, match="certificate verify failed"):
        verify.verify({**gateway.outputs, "ca_certificate": other}, [gateway.url], print, 0)


def test_a_name_that_does_not_resolve_yet_is_left_to_the_addresses(gateway):
    lines: list[str] = []
    name = "https://nowhere.invalid:8443"
    verify.verify(gateway.outputs, [name, gateway.url], lines.append, 20)
    assert lines[0] == f"{name}: not checked, the name does not resolve here"
    with pytest.raises(StackError, match="none of the gateways' names resolves here"):
        verify.verify(gateway.outputs, [name], print, 0)


@pytest.mark.parametrize("lacking", ["gateway_urls", "mcp_endpoints"])
def test_nothing_to_look_at_is_no_success(gateway, lacking):
    outputs = {**gateway.outputs, lacking: []}
    with pytest.raises(StackError, match="nothing to verify"):
        verify.verify(outputs, outputs["gateway_urls"], print, 0)


def test_an_own_certificate_is_looked_at_by_its_name_at_every_address(tmp_path, monkeypatch):
    root = issue("Root")
    made = issue(HOST, root, dns=(HOST,))
    (tmp_path / "pem").write_text(made.chain + made.key_pem)
    (tmp_path / "root").write_text(root.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "root"))  # as a runner trusts public CAs
    gateway = Gateway("", "", HOST)
    with gateway.serving(str(tmp_path / "pem")):
        verify.verify(gateway.outputs, [gateway.url], print, 20)
        assert gateway.hosts == {HOST}
        wrong = {**gateway.outputs, "gateway_url": "https://other.test"}
        with pytest.raises(StackError, match=r"certificate is not valid for 'other\.test'"):
            verify.verify(wrong, [gateway.url], print, 0)


def test_failed_jobs_that_run_again_after_a_rollback_prove_nothing():
    again = {"GITHUB_RUN_ATTEMPT": "2"}
    with pytest.raises(StackError, match="press `Re-run all jobs`"):
        verify.deployed_now(again | {"DEPLOYED_IN_ATTEMPT": "1"})
    for told in ("2", ""):  # all jobs ran again; a rollback, or a person
        verify.deployed_now(again | {"DEPLOYED_IN_ATTEMPT": told})
    verify.deployed_now({})
