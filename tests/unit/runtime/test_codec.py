from dataclasses import dataclass
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from providers.runtime import codec
from providers.runtime.declare import prop


@dataclass(frozen=True)
class Inner:
    some_text: str = prop()
    hidden: str = prop(default="", secret=True)


@dataclass(frozen=True)
class Outer:
    count: int = prop()
    ratio: float = prop()
    flag: bool = prop()
    inner: Inner = prop()
    many: list[Inner] = prop(default_factory=list)
    free: dict[str, str] = prop(default_factory=dict)
    maybe: str | None = prop(default=None)
    anything: Any = prop(default=None)


inners = st.builds(Inner, st.text(), st.text())
outers = st.builds(
    Outer,
    st.integers(-(2**50), 2**50),
    st.floats(allow_nan=False),
    st.booleans(),
    inners,
    st.lists(inners, max_size=3),
    st.dictionaries(st.text(), st.text()),
    st.none() | st.text(),
    st.none() | st.lists(st.text()),
)


@given(outers)
def test_what_is_encoded_decodes_to_the_same(value):
    assert codec.decode(Outer, codec.encode(value)) == value


@given(outers)
def test_what_is_encoded_has_no_faults_and_shows_no_secret(value):
    wire = codec.encode(value)
    assert list(codec.faults_of(Outer, wire)) == []
    assert codec.is_secret(wire["inner"]["hidden"])
    assert all(codec.is_secret(inner["hidden"]) for inner in wire["many"])


def test_names_of_free_maps_are_left_alone():
    wire = codec.encode(Outer(1, 1.0, True, Inner("x"), free={"A_b": "c"}))
    assert wire["free"] == {"A_b": "c"}
    assert wire["inner"]["someText"] == "x"


def test_a_state_with_missing_values_stays_readable():
    assert codec.decode(Outer, {}) == Outer(0, 0.0, False, Inner(""))


def test_unknown_is_found_at_any_depth():
    assert codec.has_unknown({"a": [codec.secret({"b": codec.UNKNOWN})]})
    assert not codec.has_unknown({"a": [codec.secret({"b": "known"})]})


def test_a_declaration_is_read_once():
    """Resolving type hints takes milliseconds, and each Check and Diff needs them."""
    assert codec.fields_of(Outer) is codec.fields_of(Outer)
