"""How a resource is declared, once: its inputs, outputs and lifecycle in one class.

A declaration is read three times: by `serve.py` (the provider's gRPC side), by `sdk.py` (the class
that programs use) and by `schema.py` (the Pulumi schema other languages use). This module is pure.

    @dataclass(frozen=True)
    class SshKeyInputs:
        name: str = prop(replace=True, doc="Name shown in the Lambda Cloud console.")
        public_key: str = prop(replace=True)

    @dataclass(frozen=True)
    class SshKeyOutputs:
        fingerprint: str = prop()

    class SshKey(Lifecycle[SshKeyInputs, SshKeyOutputs]):
        token = "lambdalabs:index:SshKey"
        Inputs, Outputs = SshKeyInputs, SshKeyOutputs

Python names are snake_case; the wire and the state use camelCase. What the program sees as
a resource's outputs is its inputs (mirrored) and the fields of `Outputs`; they may not share names.
"""

from __future__ import annotations

import asyncio
import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

I = TypeVar("I")  # noqa: E741 - the inputs' dataclass
O = TypeVar("O")  # noqa: E741 - the outputs' dataclass

_METADATA = "sophia.property"


@dataclass(frozen=True)
class Property:
    """What the runtime knows about a field beyond its name, type and default."""

    replace: bool = False
    secret: bool = False
    volatile: bool = False
    doc: str = ""


def prop(
    *,
    replace: bool = False,
    secret: bool = False,
    volatile: bool = False,
    default: Any = dataclasses.MISSING,
    default_factory: Any = dataclasses.MISSING,
    doc: str = "",
) -> Any:
    """A field of an `Inputs` or `Outputs` dataclass.

    replace: a change of this input replaces the resource.
    secret: encrypted in the state and masked in output, whatever the program says.
    volatile: an output that an update may change, so it is unknown in the preview of an update.
    default: makes an input optional. Types: str, int, float, bool, list[T], dict[str, T],
        nested frozen dataclasses of the same, `T | None`, and `Any` for free-form JSON.
    """
    metadata = {_METADATA: Property(replace, secret, volatile, doc)}
    return field(default=default, default_factory=default_factory, metadata=metadata)


def property_of(item: dataclasses.Field[Any]) -> Property:
    """The `Property` of a dataclass field; a plain one where `prop` was not used."""
    found = item.metadata.get(_METADATA, Property())
    assert isinstance(found, Property)
    return found


@dataclass(frozen=True)
class Fault:
    """One invalid input. `path` is in camelCase, for example `ports[0].target`."""

    path: str
    reason: str


@dataclass(frozen=True)
class Created(Generic[O]):
    """A resource that now exists: its id (never empty, never secret) and its outputs."""

    id: str
    outputs: O


@dataclass(frozen=True)
class Found(Generic[I, O]):
    """What `read` found. `inputs` are the live ones, so drift shows up as a difference."""

    inputs: I
    outputs: O


@dataclass(frozen=True)
class Change:
    """What the engine is about to do to a resource.

    new: with the recorded values where wanted ones are unknown in a preview, and their names (as
    fields are called) in `unknown`. replaced: why it will be replaced, or None.
    """

    old: Any
    outputs: Any
    new: Any
    unknown: frozenset[str]
    replaced: str | None


class ResourceFailure(Exception):
    """An operation that failed, in one line a user can act on. Packages' error trees extend it."""


class Incomplete(ResourceFailure):
    """The resource exists, but not as wanted: the state keeps it, and the next `up` calls `update`.

    id: of what exists. outputs: an `Outputs` instance, as complete as possible.
    reasons: shown one per line.
    """

    def __init__(self, id: str, outputs: Any, reasons: Sequence[str]) -> None:
        super().__init__("; ".join(reasons))
        self.id = id
        self.outputs = outputs
        self.reasons = list(reasons)


@dataclass(frozen=True)
class Context:
    """What an operation gets besides its inputs.

    timeout: seconds this operation may take (custom_timeouts, else the declaration's default).
    cancelled: set when the user interrupts; a wait must end within 10 s of it.
    progress: shows a line at once, for example "replicas 1 of 2".
    """

    urn: str
    timeout: float
    cancelled: asyncio.Event
    progress: Callable[[str], None]
    warn: Callable[[str], None]

    @property
    def name(self) -> str:
        """The resource's logical name: the last part of its URN."""
        return self.urn.rsplit("::", 1)[-1]

    async def sleep(self, seconds: float) -> None:
        """Waits between two polls; raises `Cancelled` as soon as the user interrupts."""
        try:
            await asyncio.wait_for(self.cancelled.wait(), seconds)
        except TimeoutError:
            return
        raise Cancelled(f"{self.name}: interrupted")


class Cancelled(ResourceFailure):
    """The user interrupted; what was begun is kept, and the next `up` continues it."""


class Lifecycle(ABC, Generic[I, O]):
    """One kind of resource. Instances hold the provider's connections, never resource state.

    Constructed with what `Provider.configure` returned.
    """

    token: ClassVar[str]
    Inputs: ClassVar[type[Any]]
    Outputs: ClassVar[type[Any]]
    refresh: ClassVar[bool] = True
    """Read by the engine before each plain `up`, `preview`, `destroy` (refresh_before_update)."""
    delete_before_replace: ClassVar[bool] = False
    """The old one is deleted first, where the engine calls `Diff`: for `--replace` and taints it
    asks nobody, and `delete` of what `create` returned does nothing (see `delete`)."""
    timeout: ClassVar[float] = 600.0
    """Seconds an operation may take unless `custom_timeouts` says otherwise."""

    @staticmethod
    def check(inputs: Any) -> list[Fault]:
        """Pure rules on known inputs (never called with unknown ones); returns all faults at
        once."""
        return []

    @staticmethod
    def stale(inputs: Any, outputs: Any) -> str | None:
        """Why the live resource, as last read, must be *replaced* whatever changed, or None.

        inputs: those wanted now; the recorded ones where they are unknown in a preview. `create`
        comes before `delete`, since its users keep it until there is a new one. Pure.
        """
        return None

    @staticmethod
    def refused(change: Change) -> str | None:
        """Why a change must not be made, or None: it fails the preview, and `up` before anything is
        done, but not `refresh` or `destroy`. Called whenever there is anything to do, or `drifted`
        says so. Pure."""
        return None

    @staticmethod
    def drifted(inputs: Any, outputs: Any) -> str | None:
        """Why the live resource must be *updated* though no input changed, or None. Pure."""
        return None

    @staticmethod
    def notice(old: Any, new: Any) -> str | None:
        """What the user should know about this update before it is made, or None. Pure.

        Shown as a warning, in the preview, too, but not if the resource will be replaced.
        """
        return None

    @abstractmethod
    async def create(self, context: Context, inputs: I) -> Created[O]:
        """Creates it. Never called in a preview. Raises `ResourceFailure` or `Incomplete`."""

    async def read(self, context: Context, id: str, inputs: I, outputs: O) -> Found[I, O] | None:
        """The live state, or None if it is gone. The default trusts the recorded state."""
        return Found(inputs, outputs)

    async def update(self, context: Context, id: str, old: I, outputs: O, new: I) -> O:
        """Changes it to `new` in place; also continues after `Incomplete`."""
        raise ResourceFailure(f"{self.token} can't be updated in place")

    async def delete(self, context: Context, id: str, inputs: I, outputs: O) -> None:
        """Deletes it. If it is already gone, that is a success.

        Never called for an id that a create of the same run returned: a forced replacement
        (`--replace`, a taint) of something that create adopts must not delete it.
        """


class Provider(ABC):
    """A package: its configuration, lifecycles and functions.

    Config: dataclass of provider configuration (same rules as `Inputs`). If it holds values that
    are unknown in a preview, `configure` is not called, and only previews of creates are served.
    """

    name: ClassVar[str]
    version: ClassVar[str]
    Config: ClassVar[type[Any]]
    lifecycles: ClassVar[Sequence[type[Lifecycle[Any, Any]]]]
    functions: ClassVar[Sequence[type[Function[Any, Any]]]] = ()

    @staticmethod
    def check_config(config: Any) -> list[Fault]:
        """Pure rules on known configuration; returns all faults at once."""
        return []

    @abstractmethod
    def configure(self, config: Any) -> object:
        """Returns what each Lifecycle and Function of the package is constructed with (a
        client)."""

    async def close(self) -> None:  # noqa: B027 - most have nothing to close
        """Closes connections when the engine ends the plugin."""


class Function(ABC, Generic[I, O]):
    """A provider function (invoke), `<package>:index:<camelCaseName>`; it changes nothing."""

    token: ClassVar[str]
    Inputs: ClassVar[type[Any]]
    Outputs: ClassVar[type[Any]]

    @abstractmethod
    async def call(self, inputs: I) -> O:
        """Answers from the live API. Raises `ResourceFailure`."""
