"""Every runbook names the tests that exercise it, and they exist."""

import re

import pytest

from tests.unit.docs.test_links import ROOT

PAGE = ROOT / "docs" / "runbooks" / "what-to-do.md"
RUNBOOKS = dict(re.findall(r"^## (.+)\n([\s\S]*?)(?=\n## |\Z)", PAGE.read_text(), re.M))
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def test_there_is_one_for_each_large_event():
    assert len(RUNBOOKS) >= 11


@pytest.mark.parametrize("title", RUNBOOKS)
def test_each_has_steps_and_then_its_tests(title):
    steps, _, tested = RUNBOOKS[title].partition("\nTested by ")
    assert re.search(r"^1\. ", steps, re.M)
    assert TEST.search(tested)
    assert not TEST.search(steps)


@pytest.mark.parametrize("title", RUNBOOKS)
def test_the_named_tests_exist(title):
    for file, name in TEST.findall(RUNBOOKS[title]):
        assert re.search(rf"^(async )?def {name}\(", (ROOT / file).read_text(), re.M), name
    words = RUNBOOKS[title].partition("\nTested by ")[2]
    assert words.count("tests/") == len(TEST.findall(words)), "each with its name"
