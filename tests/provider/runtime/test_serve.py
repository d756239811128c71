"""The runtime over real gRPC, with a small provider that keeps its resources in a dict."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import grpc.aio
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2

from providers.runtime import codec
from providers.runtime.declare import (
    Change,
    Context,
    Created,
    Fault,
    Found,
    Function,
    Incomplete,
    Lifecycle,
    Provider,
    ResourceFailure,
    prop,
)
from tests.support.provider_client import ProviderClient, init_failure, serving, struct, values

TOKEN = "shelf:index:Book"


@dataclass(frozen=True)
class Page:
    number: int = prop()
    note: str | None = prop(default=None, secret=True)


@dataclass(frozen=True)
class BookInputs:
    title: str = prop(replace=True)
    key: str = prop(secret=True)
    copies: int = prop(default=1)
    pages: list[Page] = prop(default_factory=list)
    labels: dict[str, str] = prop(default_factory=dict)


@dataclass(frozen=True)
class BookOutputs:
    status: str = prop(volatile=True)
    shelf: str = prop()
    lock: str = prop(secret=True)


class Book(Lifecycle[BookInputs, BookOutputs]):
    """A book."""

    token = TOKEN
    Inputs, Outputs = BookInputs, BookOutputs

    def __init__(self, shelf: dict[str, tuple[BookInputs, BookOutputs]]) -> None:
        self.shelf = shelf

    @staticmethod
    def check(inputs: BookInputs) -> list[Fault]:
        faults = [] if inputs.copies >= 0 else [Fault("copies", "got below 0, expected 0 or more")]
        if not inputs.title:
            faults.append(Fault("title", "got nothing, expected a title"))
        return faults

    @staticmethod
    def stale(inputs: BookInputs, outputs: BookOutputs) -> str | None:
        return "it burnt" if outputs.status == "burnt" else None

    @staticmethod
    def refused(change: Change) -> str | None:
        return "it is chained" if change.new.labels.get("chained") else None

    @staticmethod
    def drifted(inputs: BookInputs, outputs: BookOutputs) -> str | None:
        return "it is torn" if outputs.status == "torn" else None

    async def create(self, context: Context, inputs: BookInputs) -> Created[BookOutputs]:
        outputs = BookOutputs("new", "a", "latch")
        if inputs.title == "refused":
            raise ResourceFailure("Book refused: got this title, expected another")
        if inputs.title == "wait":
            while True:
                await context.sleep(60)
        self.shelf[inputs.title] = (inputs, outputs)
        if inputs.title == "half":
            raise Incomplete(inputs.title, outputs, ["page 2 is missing", "page 3 is missing"])
        if inputs.title == "defect":
            raise ZeroDivisionError("oops")
        return Created(inputs.title, outputs)

    async def read(
        self, context: Context, id: str, inputs: BookInputs, outputs: BookOutputs
    ) -> Found[BookInputs, BookOutputs] | None:
        found = self.shelf.get(id)
        return found and Found(*found)

    async def update(
        self, context: Context, id: str, old: BookInputs, outputs: BookOutputs, new: BookInputs
    ) -> BookOutputs:
        updated = replace(outputs, status=f"{old.copies}→{new.copies}")
        self.shelf[id] = (new, updated)
        return updated

    async def delete(
        self, context: Context, id: str, inputs: BookInputs, outputs: BookOutputs
    ) -> None:
        self.shelf.pop(id, None)


@dataclass(frozen=True)
class CountInputs:
    prefix: str = prop()


@dataclass(frozen=True)
class CountOutputs:
    count: int = prop()


class CountBooks(Function[CountInputs, CountOutputs]):
    token = "shelf:index:countBooks"
    Inputs, Outputs = CountInputs, CountOutputs

    def __init__(self, shelf: dict[str, Any]) -> None:
        self.shelf = shelf

    async def call(self, inputs: CountInputs) -> CountOutputs:
        return CountOutputs(sum(title.startswith(inputs.prefix) for title in self.shelf))


@dataclass(frozen=True)
class ShelfConfig:
    rooms: list[str] = prop(default_factory=list)


class Shelf(Provider):
    name, version, Config = "shelf", "1.0.0", ShelfConfig
    lifecycles: ClassVar = [Book]
    functions: ClassVar = [CountBooks]

    def __init__(self) -> None:
        self.shelf: dict[str, Any] = {}
        self.config = ShelfConfig()

    def configure(self, config: ShelfConfig) -> object:
        self.config = config
        return self.shelf


BOOK = {"title": "tale", "key": codec.secret("k"), "labels": {"A_B": "c"}}
STATE = {"status": "new", "shelf": "a", "lock": codec.secret("latch")}


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
async def client(shelf: Shelf) -> AsyncIterator[ProviderClient]:
    async with serving(shelf) as client:
        yield client


async def test_check_reports_every_fault_at_once(client):
    answer = await client.check(TOKEN, {"titel": "x", "copies": "two", "pages": [{"number": 1.5}]})
    assert {failure.property for failure in answer.failures} == {
        "titel",
        "title",
        "key",
        "copies",
        "pages[0].number",
    }
    answer = await client.check(TOKEN, {"title": "", "key": "k", "copies": -1})
    assert {failure.property for failure in answer.failures} == {"title", "copies"}


async def test_check_never_shows_a_value_and_marks_declared_secrets(client):
    answer = await client.check(TOKEN, {"title": "t", "key": 12345.0})
    assert [failure.property for failure in answer.failures] == ["key"]
    assert "12345" not in answer.failures[0].reason
    answer = await client.check(
        TOKEN, {"title": "t", "key": "k", "pages": [{"number": 1, "note": "n"}]}
    )
    checked = values(answer.inputs)
    assert codec.is_secret(checked["key"])
    assert codec.is_secret(checked["pages"][0]["note"])


async def test_check_takes_unknowns_on_trust(client):
    answer = await client.check(TOKEN, {"title": codec.UNKNOWN, "key": codec.UNKNOWN})
    assert not answer.failures


async def test_create_mirrors_inputs_and_keeps_secrets_secret(client):
    answer = await client.create(TOKEN, BOOK)
    assert answer.id == "tale"
    assert answer.refresh_before_update
    assert values(answer.properties) == {**BOOK, **STATE}


async def test_preview_of_a_creation_creates_nothing(client, shelf):
    answer = await client.create(TOKEN, {**BOOK, "title": codec.UNKNOWN}, preview=True)
    assert values(answer.properties)["status"] == codec.UNKNOWN
    assert not shelf.shelf


async def test_diff(client):
    assert not (await client.diff(TOKEN, BOOK, {**BOOK, "copies": 1}, STATE)).diffs
    update = await client.diff(TOKEN, BOOK, {**BOOK, "copies": 2}, STATE)
    assert list(update.diffs) == ["copies"]
    assert not update.replaces
    replacement = await client.diff(TOKEN, BOOK, {**BOOK, "title": codec.UNKNOWN}, STATE)
    assert list(replacement.replaces) == ["title"]
    assert not replacement.deleteBeforeReplace
    secret = await client.diff(TOKEN, BOOK, {**BOOK, "key": "k"}, STATE)
    assert not secret.diffs, "the mark alone is no change"


async def test_diff_sees_what_became_of_the_live_resource(client):
    torn = await client.diff(TOKEN, BOOK, BOOK, {**STATE, "status": "torn"})
    assert list(torn.diffs) == ["status"]
    assert not torn.replaces
    burnt = await client.diff(TOKEN, BOOK, BOOK, {**STATE, "status": "burnt"})
    assert list(burnt.replaces) == ["status"]
    assert not burnt.deleteBeforeReplace, "whoever uses it keeps it until there is a new one"


async def test_read_shows_drift_and_absence(client, shelf):
    await client.create(TOKEN, BOOK)
    live, outputs = shelf.shelf["tale"]
    shelf.shelf["tale"] = (replace(live, copies=7, key="other"), outputs)
    answer = await client.read(TOKEN, "tale", BOOK, {**BOOK, **STATE})
    inputs = values(answer.inputs)
    assert inputs == {**BOOK, "copies": 7, "key": codec.secret("other")}
    shelf.shelf.clear()
    answer = await client.read(TOKEN, "tale", BOOK, {**BOOK, **STATE})
    assert answer.id == ""


async def test_read_without_inputs_is_a_refresh_where_there_is_a_state(client):
    """Of a resource that has no inputs; where there is neither it is an import."""
    assert (await client.read(TOKEN, "tale", {}, STATE)).id == ""
    with pytest.raises(grpc.aio.AioRpcError, match="cannot be imported"):
        await client.read(TOKEN, "tale", {}, {})


async def test_update_and_its_preview(client):
    await client.create(TOKEN, BOOK)
    state = {**BOOK, **STATE}
    new = {**BOOK, "copies": 3}
    preview = values(
        (await client.update(TOKEN, "tale", BOOK, state, new, preview=True)).properties
    )
    assert preview["status"] == codec.UNKNOWN
    assert preview["shelf"] == "a"
    answer = values((await client.update(TOKEN, "tale", BOOK, state, new)).properties)
    assert answer["status"] == "1→3"


async def test_what_a_create_returned_no_delete_of_the_same_run_ends(client, shelf):
    """With `--replace` the engine creates, then deletes what it takes for the old resource;
    a create that adopts has returned that very thing."""
    await client.create(TOKEN, BOOK)
    await client.delete(TOKEN, "tale", BOOK, STATE)
    assert "tale" in shelf.shelf
    shelf.shelf["other"] = shelf.shelf["tale"]
    await client.delete(TOKEN, "other", BOOK, STATE)
    assert "other" not in shelf.shelf
    with pytest.raises(grpc.aio.AioRpcError):
        await client.create(TOKEN, {**BOOK, "title": "half"})
    await client.delete(TOKEN, "half", BOOK, STATE)
    assert "half" in shelf.shelf


async def test_what_exists_but_is_not_ready_keeps_its_id(client):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await client.create(TOKEN, {**BOOK, "title": "half"})
    failed = init_failure(caught.value)
    assert failed.id == "half"
    assert list(failed.reasons) == ["page 2 is missing", "page 3 is missing"]
    assert failed.refresh_before_update
    assert codec.is_secret(values(failed.properties)["lock"])
    assert codec.is_secret(values(failed.inputs)["key"])


async def test_only_what_the_program_wants_is_refused_not_the_looks_of_a_refresh(client):
    chained = {**BOOK, "copies": 2, "labels": {"chained": "1"}}
    await client.diff(TOKEN, BOOK, chained, STATE)
    await client.check(TOKEN, chained)
    with pytest.raises(grpc.aio.AioRpcError, match="it is chained"):
        await client.diff(TOKEN, BOOK, chained, STATE)
    # `destroy` in the process of a preview: it reads first.
    await client.read(TOKEN, "id", BOOK, STATE)
    await client.diff(TOKEN, BOOK, chained, STATE)


async def test_failures_are_told_without_traceback_and_defects_with_one(client):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await client.create(TOKEN, {**BOOK, "title": "refused"})
    assert caught.value.details() == "Book refused: got this title, expected another"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await client.create(TOKEN, {**BOOK, "title": "defect"})
    assert "ZeroDivisionError: oops" in caught.value.details()
    assert "test_serve.py" in caught.value.details()


async def test_cancel_ends_a_wait(client):
    waiting = asyncio.ensure_future(client.create(TOKEN, {**BOOK, "title": "wait"}))
    await asyncio.wait([waiting], timeout=0.05)
    await client.stub.Cancel(empty_pb2.Empty())
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await asyncio.wait_for(asyncio.shield(waiting), 5)
    assert "interrupted" in caught.value.details()


async def test_functions(client):
    await client.create(TOKEN, BOOK)
    request = provider_pb2.InvokeRequest(tok=CountBooks.token, args=struct({"prefix": "ta"}))
    answer = await client.stub.Invoke(request)
    assert values(getattr(answer, "return")) == {"count": 1.0}
    answer = await client.stub.Invoke(provider_pb2.InvokeRequest(tok=CountBooks.token))
    assert [failure.property for failure in answer.failures] == ["prefix"]


async def test_configuration_as_json_text_or_as_values(shelf):
    async with serving(shelf, {"rooms": '["a", "b"]'}):
        assert shelf.config.rooms == ["a", "b"]
    async with serving(shelf, {"rooms": ["c"], "version": "1.0.0"}):
        assert shelf.config.rooms == ["c"]


async def test_a_provider_with_unknown_configuration_previews_creations_only(shelf):
    async with serving(shelf, {"rooms": codec.UNKNOWN}) as client:
        assert await client.create(TOKEN, BOOK, preview=True)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await client.create(TOKEN, BOOK)
        assert "not configured" in caught.value.details()


async def test_schema_is_whole(client):
    schema = json.loads((await client.stub.GetSchema(provider_pb2.GetSchemaRequest())).schema)
    book = schema["resources"][TOKEN]
    assert book["requiredInputs"] == ["title", "key"]
    assert book["inputProperties"]["key"]["secret"]
    assert book["inputProperties"]["title"]["willReplaceOnChanges"]
    assert book["properties"]["pages"]["items"] == {"$ref": "#/types/shelf:index:Page"}
    assert schema["functions"]["shelf:index:countBooks"]["outputs"]["properties"] == {
        "count": {"type": "integer"}
    }
