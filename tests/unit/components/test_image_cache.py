"""Build contexts on disk: whole or not there, with packages whose hashes pip has checked."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
import zipfile
from pathlib import Path

import pytest

from components.image_cache import ImageCache, ImageError, read
from components.plan import image_context as plan


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny package."""
    folder = tmp_path_factory.mktemp("index")
    wheel = folder / "tiny_thing-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny_thing.py", "")
        archive.writestr(
            "tiny_thing-1.0.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: tiny-thing\nVersion: 1.0\n",
        )
        archive.writestr(
            "tiny_thing-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr(
            "tiny_thing-1.0.dist-info/entry_points.txt",
            "[console_scripts]\ntiny = tiny_thing:main\n",
        )
        archive.writestr("tiny_thing-1.0.dist-info/RECORD", "")
    return wheel


@pytest.fixture
def index(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The only package that pip can find is that one; what a locked line for it says."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    return f"tiny-thing==1.0 --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    (folder / "pkg").mkdir(parents=True)
    (folder / "Dockerfile").write_text("ARG BASE\nFROM ${BASE}\n")
    (folder / "pkg" / "module.py").write_text("x = 1\n")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    return folder


@pytest.fixture
def cache(tmp_path: Path) -> ImageCache:
    return ImageCache(tmp_path / "contexts", tmp_path / "packages")


@pytest.fixture(scope="module")
def fetched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where tests keep packages that don't ask how they came."""
    return tmp_path_factory.mktemp("packages")


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_the_users_of_an_image_can_read_all_of_it_whatever_this_users_umask(source, cache, index):
    """077 and 027 keep others out, and an image's processes are others."""
    (source / "requirements.txt").write_text(index)
    context = read(source, "base")
    before = os.umask(0o077)
    try:
        staged = cache.stage(context)
    finally:
        os.umask(before)
    for path in (staged, *staged.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        runs = path.is_dir() or path.name == "run.sh"
        assert mode == (0o755 if runs else 0o644), path


def test_a_context_has_the_sources_and_the_packages(source, cache, index):
    (source / "requirements.txt").write_text(index)
    context = read(source, "base")
    assert cache.missing_packages(context)

    staged = cache.stage(context)

    assert staged == cache.directory(context)
    assert not cache.missing_packages(context)
    # Without the command that it brings, which would start this machine's Python.
    installed = {path for path in files(staged) if "dist-info/" not in path}
    assert installed == {*files(source), "site-packages/tiny_thing.py"}
    assert staged.joinpath("run.sh").stat().st_mode & 0o111
    assert not staged.joinpath("Dockerfile").stat().st_mode & 0o111


def test_who_fetches_go_modules_gets_the_certificates_of_this_machine(
    source, cache, tmp_path, monkeypatch
):
    own = tmp_path / "own.pem"
    own.write_text("a company's")
    monkeypatch.setenv("SSL_CERT_FILE", str(own))
    assert not (cache.stage(read(source, "base:1")) / plan.AUTHORITIES).exists()
    (source / plan.GO_MODULE).write_text("module x\n")
    context = read(source, "base:1")
    assert (cache.stage(context) / plan.AUTHORITIES).read_text() == "a company's"
    own.write_text("another's")
    assert plan.tag(read(source, "base:1")) == plan.tag(context)


def test_a_package_with_another_hash_leaves_nothing_behind(source, cache, index, tmp_path):
    (source / "requirements.txt").write_text(index[:-2] + ("0\n" if index[-2] != "0" else "1\n"))
    context = read(source, "base")

    with pytest.raises(ImageError, match="HASHES"):
        cache.stage(context)

    assert cache.missing_packages(context)
    assert not cache.directory(context).exists()
    assert files(tmp_path / "packages") == {".gitignore"}


def test_nothing_is_fetched_or_written_twice(source, index, monkeypatch, tmp_path, fetched):
    cache = ImageCache(tmp_path / "contexts", fetched)
    (source / "requirements.txt").write_text(index)
    staged = cache.stage(read(source, "base"))
    before = staged.stat().st_mtime_ns
    monkeypatch.setenv("PIP_FIND_LINKS", "/nowhere")

    assert cache.stage(read(source, "base")).stat().st_mtime_ns == before
    # Another image with the same requirements.
    (source / "pkg" / "module.py").write_text("x = 2\n")
    assert "site-packages/tiny_thing.py" in files(cache.stage(read(source, "base")))


def test_two_at_once_get_the_same_context(source, tmp_path):
    context = read(source, "base")
    caches = [ImageCache(tmp_path / "contexts", tmp_path / "packages") for _ in range(8)]
    found: list[Path] = []
    threads = [
        threading.Thread(target=lambda one=one: found.append(one.stage(context))) for one in caches
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [caches[0].directory(context)] * 8
    assert files(found[0]) == files(source)


def test_compiled_modules_change_no_tag(source):
    before = plan.tag(read(source, "base"))
    (source / "pkg" / "__pycache__").mkdir()
    (source / "pkg" / "__pycache__" / "module.cpython-311.pyc").write_bytes(b"x")

    assert plan.tag(read(source, "base")) == before


def test_a_link_to_another_images_file_stands_for_that_file(source):
    shared = source.parent / "other" / "shared.py"
    shared.parent.mkdir()
    shared.write_text("1")
    (source / "shared.py").symlink_to("../other/shared.py")
    context = read(source, "base")
    assert ("shared.py", b"1") in [(one.path, one.content) for one in context.sources]
    shared.write_text("2")
    assert plan.tag(read(source, "base")) != plan.tag(context)


def test_links_and_missing_files_are_faults(source, tmp_path):
    (source / "Dockerfile").unlink()
    (source / "link").symlink_to("/etc/passwd")
    (source / "odd").symlink_to(tmp_path)
    with pytest.raises(ImageError, match=r"link is a link to no.*odd is a link.*no Dockerfile"):
        read(source, "base")
    with pytest.raises(ImageError, match="the folder doesn't exist"):
        read(tmp_path / "missing", "base")


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    """A catalog with one server, and the Dockerfiles that all of them share."""
    folder = tmp_path / "catalog"
    (folder / "base").mkdir(parents=True)
    (folder / "base" / "server.Dockerfile").write_text("ARG BASE\nFROM ${BASE}\n")
    (folder / "base" / "server_with_packages.Dockerfile").write_text("FROM ${BASE}\nRUN pip\n")
    (folder / "slack").mkdir()
    for name in ("server.yaml", "server.py", "README.md", "test_server.py", "tools.json"):
        (folder / "slack" / name).write_text(name)
    return folder


def test_a_server_needs_no_dockerfile_of_its_own(catalog, cache):
    staged = cache.stage(read(catalog / "slack", "base"))
    assert files(staged) == {"Dockerfile", "mcp_catalog/slack/server.py"}
    assert (staged / "Dockerfile").read_text().splitlines() == [
        "ARG BASE",
        "FROM ${BASE}",
        'CMD ["python", "-m", "sophia_mcp", "slack"]',
    ]


def test_a_servers_packages_are_installed_and_no_part_of_its_code(
    catalog, index, tmp_path, fetched
):
    (catalog / "slack" / "requirements.txt").write_text(index)
    staged = ImageCache(tmp_path / "contexts", fetched).stage(read(catalog / "slack", "base"))
    assert (staged / "Dockerfile").read_text().startswith("FROM ${BASE}\nRUN pip\nCMD ")
    assert (staged / "requirements.txt").read_text() == index
    assert "site-packages/tiny_thing.py" in files(staged)
    assert not (staged / "mcp_catalog" / "slack" / "requirements.txt").exists()


@pytest.mark.parametrize("name", ["server.yaml", "README.md", "test_server.py", "tools.json"])
def test_what_is_about_a_server_changes_no_tag(catalog, name: str):
    before = plan.tag(read(catalog / "slack", "base"))
    (catalog / "slack" / name).write_text("other")
    assert plan.tag(read(catalog / "slack", "base")) == before


@pytest.mark.parametrize("name", ["slack/server.py", "base/server.Dockerfile"])
def test_its_code_and_the_shared_dockerfile_do(catalog, name: str):
    before = plan.tag(read(catalog / "slack", "base"))
    (catalog / name).write_text("FROM other\n")
    assert plan.tag(read(catalog / "slack", "base")) != before


@pytest.mark.parametrize("requirements", ["", "index"])
def test_debians_packages_are_installed_below_the_code(
    catalog, tmp_path, fetched, request, requirements: str
):
    cache = ImageCache(tmp_path / "contexts", fetched)
    if requirements:
        (catalog / "slack" / "requirements.txt").write_text(request.getfixturevalue(requirements))
    plain = read(catalog / "slack", "base")
    context = read(catalog / "slack", "base", ["chromium", "fonts-noto"])
    lines = (cache.stage(context) / "Dockerfile").read_text().splitlines()
    start = lines.index("FROM ${BASE}")
    assert (lines[start + 1], lines[start + 5]) == ("USER root", "USER 10001:10001")
    assert lines[start + 3].endswith(" --no-install-recommends chromium fonts-noto \\")
    assert lines[-1].startswith("CMD ")
    assert plan.tag(context) != plan.tag(plain)
    assert plan.tag(context) == plan.tag(
        read(catalog / "slack", "base", ["fonts-noto", "chromium"])
    )


def test_two_servers_with_the_same_code_are_two_images(catalog):
    (catalog / "slack").rename(catalog / "gong")
    one = plan.tag(read(catalog / "gong", "base"))
    (catalog / "gong").rename(catalog / "slack")
    assert plan.tag(read(catalog / "slack", "base")) != one


def test_the_shared_dockerfile_changes_no_base(source):
    before = plan.tag(read(source, "base"))
    (source / "server.Dockerfile").write_text("FROM x\n")
    assert plan.tag(read(source, "base")) == before


def test_a_server_without_code_is_a_fault(catalog):
    (catalog / "slack" / "server.py").unlink()
    with pytest.raises(ImageError, match=r"there is no server\.py"):
        read(catalog / "slack", "base")
