"""Images as resources: tags from the sources alone, a base before what is built on it."""

from pathlib import Path

import pulumi
import pytest

from components.handles import RegistryHandle
from components.images import Image, ImageArgs, ImageBuilder, ImageBuilderArgs


@pytest.fixture
def program(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pulled = []
    monkeypatch.setattr(
        "components.image_cache.ImageCache.have",
        lambda cache, reference, pull: pulled.append(reference),
    )
    for name in ("base", "ai_memory"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "Dockerfile").write_text(f"ARG BASE\nFROM ${{BASE}}\n# {name}\n")

    def run(refresh=""):
        registry = RegistryHandle("registry.example", "team", "u", pulumi.Output.secret("pw"))
        builder = ImageBuilder(
            "images",
            ImageBuilderArgs(
                registry=registry, private_ca=True, refresh=refresh, packages=tmp_path / "p"
            ),
        )
        base = Image("base", ImageArgs(builder, Path("base"), "python:3.11"))
        Image("ai_memory", ImageArgs(builder, Path("ai_memory"), base))

    run.pulled, run.folder = pulled, tmp_path
    return run


def test_a_preview_stages_and_pulls_nothing(registered, preview, program):
    registered(program)
    staged = list(program.folder.glob(".cache/images/*/Dockerfile"))
    assert len(staged) == (0 if preview else 2)
    assert len(program.pulled) == (0 if preview else 1)


def test_an_image_is_built_on_its_base_and_then_pushed(registered, program):
    seen = registered(program)
    assert "base-build" in seen["ai_memory-build"].dependencies
    assert "ai_memory-build" in seen["ai_memory-push"].dependencies
    build = seen["ai_memory-build"].inputs["build"]
    assert build["buildArgs"] == {"BASE": seen["base-build"].inputs["name"]}
    assert seen["base-build"].inputs["build"]["buildArgs"] == {"BASE": "python:3.11"}


def test_the_state_holds_no_path_of_this_machine_and_no_open_password(registered, program):
    seen = registered(program)
    for name in ("base", "ai_memory"):
        inputs = seen[f"{name}-build"].inputs
        tag = inputs["name"].rpartition(":")[2]
        assert inputs["build"]["context"] == f".cache/images/{tag}"
        assert inputs["name"].startswith(f"registry.example/team/{name.replace('_', '-')}:")
        assert seen[f"{name}-build"].secrets == set()
        assert any(path.startswith("authConfig") for path in seen[f"{name}-push"].secrets)


def test_what_was_pushed_stays_when_the_stack_goes(registered, program):
    seen = registered(program)
    assert seen["ai_memory-push"].inputs["keepRemotely"] is True
    assert seen["ai_memory-build"].inputs["keepLocally"] is True


def test_another_day_builds_the_base_with_updates_and_what_is_on_it(registered, preview, program):
    def tags(run):
        seen = registered(run)
        return [seen[f"{name}-build"].inputs["name"] for name in ("base", "ai_memory")]

    before = tags(program)
    after = tags(lambda: program("2026-11-27"))
    assert not set(before) & set(after)
    updated = [
        file.read_text()
        for file in program.folder.glob(".cache/images/*/Dockerfile")
        if "2026-11-27" in file.read_text()
    ]
    assert len(updated) == (0 if preview else 1), "what is built on ours has its updates"
