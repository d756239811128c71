"""Tags: the same content is the same image, any other content another one."""

from __future__ import annotations

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from components.plan import image_context as plan
from components.plan.image_context import BuildContext, Source

LOCKED = b"six==1.0 --hash=sha256:" + b"0" * 64
CONTEXT = BuildContext(
    (Source("Dockerfile", b"FROM x", False), Source("requirements.txt", LOCKED, False)), "base:1"
)


def with_sources(*sources: Source) -> BuildContext:
    return dataclasses.replace(CONTEXT, sources=(*CONTEXT.sources, *sources))


def test_the_order_of_files_does_not_matter():
    turned = dataclasses.replace(CONTEXT, sources=CONTEXT.sources[::-1])
    assert plan.tag(turned) == plan.tag(CONTEXT)


def test_content_path_mode_and_base_do():
    others = [
        with_sources(Source("a", b"b", False)),
        with_sources(Source("a", b"c", False)),
        with_sources(Source("a", b"b", True)),
        with_sources(Source("ab", b"", False)),
        with_sources(Source("a", b"", False), Source("b", b"", False)),
        dataclasses.replace(CONTEXT, base="base:2"),
    ]
    tags = {plan.tag(context) for context in (CONTEXT, *others)}
    assert len(tags) == len(others) + 1


names = st.text("abc/-", min_size=1, max_size=4)
some_sources = st.dictionaries(names, st.tuples(st.binary(max_size=4), st.booleans()), max_size=4)


@given(some_sources, some_sources)
def test_two_contexts_have_one_tag_only_when_they_are_equal(one, other):
    tags = [
        plan.tag(BuildContext(tuple(Source(path, *rest) for path, rest in files.items()), "b"))
        for files in (one, other)
    ]
    assert (tags[0] == tags[1]) == (one == other)


def test_what_cannot_be_built_is_said_with_all_its_faults():
    context = BuildContext(
        (Source("site-packages/x.py", b"", False), Source("requirements.txt", b"six==1.0", False)),
        "b",
    )
    said = "; ".join(plan.faults(context))
    assert "no Dockerfile" in said
    assert "site-packages/" in said
    assert "--hash" in said
    assert plan.faults(CONTEXT) == []


def test_caches_are_no_sources():
    assert plan.is_source("pkg/module.py")
    assert not plan.is_source("pkg/__pycache__/module.cpython-311.pyc")
    assert not plan.is_source(".pytest_cache/README.md")


def test_packages_are_shared_by_images_with_the_same_requirements():
    assert plan.packages_key("a") == plan.packages_key("a") != plan.packages_key("b")


def test_repositories_are_names_that_registries_take():
    assert plan.repository("192.0.2.1:5000", "", "ai_memory") == "192.0.2.1:5000/ai-memory"
    assert plan.repository("r.example", "/team/mcp/", "base") == "r.example/team/mcp/base"


STAGES = b"""ARG BASE
FROM ${BASE} AS build
RUN make
FROM build AS other
FROM ${BASE}
COPY --from=build /made /made
"""


def with_dockerfile(text: bytes) -> BuildContext:
    return BuildContext((Source("Dockerfile", text, False), Source("a", b"b", False)), "base:1")


def test_images_are_built_anew_with_the_updates_of_a_day_and_with_none_by_default():
    context = with_dockerfile(STAGES)
    assert plan.refreshed(context, "") == context
    days = [plan.refreshed(context, day) for day in ("2026-11-27", "2026-12-24")]
    assert len({plan.tag(one) for one in (context, *days)}) == 3
    lines = days[0].sources[0].content.decode().splitlines()
    after = [lines[number + 1] for number, line in enumerate(lines) if line.startswith("FROM $")]
    assert after == ["RUN : 2026-11-27 \\"] * 2, "each stage on the base; Docker's cache differs"
    assert "apt-get upgrade" in "".join(lines)
    assert [line for line in lines if line in STAGES.decode().splitlines()] == (
        STAGES.decode().splitlines()
    )
