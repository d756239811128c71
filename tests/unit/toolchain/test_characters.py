"""RandomPassword's and RandomString's rules."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolchain.standins.random.characters import SPECIAL, TextInputs, classes, faults, text

texts = st.builds(
    TextInputs,
    length=st.integers(1, 40),
    lower=st.booleans(),
    upper=st.booleans(),
    numeric=st.booleans(),
    special=st.booleans(),
    override_special=st.sampled_from([None, "_-"]),
    min_lower=st.integers(0, 5),
    min_upper=st.integers(0, 5),
    min_numeric=st.integers(0, 5),
    min_special=st.integers(0, 5),
)


@given(texts)
def test_whatever_is_accepted_is_kept(inputs):
    if faults(inputs):
        return
    made = text(inputs)
    allowed = classes(inputs)

    assert len(made) == inputs.length
    assert set(made) <= set("".join(characters for characters, _ in allowed.values()))
    for characters, least in allowed.values():
        assert sum(character in characters for character in made) >= least


def test_the_defaults_are_the_vendors():
    assert {name: text for name, (text, _) in classes(TextInputs(length=8)).items()} == {
        "lower": string.ascii_lowercase,
        "upper": string.ascii_uppercase,
        "numeric": string.digits,
        "special": SPECIAL,
    }


def test_least_numbers_do_not_come_first():
    inputs = TextInputs(length=32, min_numeric=16)
    firsts = {text(inputs)[:16].isdigit() for _ in range(20)}

    assert firsts == {False}


@pytest.mark.parametrize(
    ("inputs", "path"),
    [
        (TextInputs(length=0), "length"),
        (TextInputs(length=3, min_lower=2, min_upper=2), "length"),
        (TextInputs(length=3, lower=False, upper=False, numeric=False, special=False), "lower"),
        (TextInputs(length=3, special=False, min_special=1), "minSpecial"),
    ],
)
def test_impossible_inputs_name_the_property(inputs, path):
    assert [fault.path for fault in faults(inputs)] == [path]


def test_every_fault_is_said_at_once():
    inputs = TextInputs(length=0, upper=False, min_upper=1, numeric=False, min_numeric=1)

    assert {fault.path for fault in faults(inputs)} == {"length", "minUpper", "minNumeric"}
