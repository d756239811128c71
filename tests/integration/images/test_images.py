"""Images through the real engine, Docker and a registry with TLS and a password."""

from __future__ import annotations

import pytest

from components.image_cache import ImageCache, Pull
from simulator import registry

pytestmark = [pytest.mark.containers, pytest.mark.slow]

NAMES = ("base", "one", "two")


def references(program):
    return {name: program.output(name) for name in NAMES}


def up(program):
    return program.pulumi("up", "--yes", "--skip-preview")


def changed(before, after):
    return {name for name in NAMES if before[name] != after[name]}


def test_images_are_built_once_per_content_and_outlive_the_stack(program, served):
    program.pulumi("preview")
    assert not (program.folder / ".cache").exists(), "a preview staged a build context"

    up(program)
    first = references(program)
    for name, reference in first.items():
        assert reference.startswith(f"{served.server}/tests/{name}@sha256:")

    unchanged = up(program)
    assert "created" not in unchanged
    assert "replaced" not in unchanged
    assert changed(first, references(program)) == set()

    # Another runner: it has the state, and neither the images nor the staged contexts.
    program.forget_images()
    (program.folder / "sources" / "one" / "text").write_text("changed")
    up(program)
    second = references(program)
    assert changed(first, second) == {"one"}

    (program.folder / "sources" / "base" / "text").write_text("changed")
    up(program)
    assert changed(second, references(program)) == set(NAMES)

    # Pushed images can be pulled by digest; the older one is still there, too.
    program.forget_images()
    cache = ImageCache(program.folder / "contexts", program.folder / "packages")
    for reference in (first["one"], second["one"]):
        cache.have(reference, Pull(served.server, registry.USER, served.password))

    registry.remove(served.container)
    program.pulumi("destroy", "--yes", "--skip-preview", "--refresh")
    assert program.pulumi("stack", "export").count('"urn"') <= 1
