"""Measures what one base for all servers saves: `python -m bench.images`.

Builds all servers' images twice without Docker's cache: on one base, and each with its own base.
Packages are downloaded before. Bytes are those of all images together, on the one base.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from components.image_cache import ImageCache, read
from simulator.images import ensure_base
from tests.support.docker import docker
from toolchain import places

CATALOG = Path(__file__).parents[1] / "mcp_catalog"
SERVERS = sorted(path.parent for path in CATALOG.glob("[a-z]*/server.yaml"))


def main() -> None:
    """Prints seconds and bytes. Takes a few minutes."""
    os.environ["DOCKER_BUILDKIT"] = "0"  # as the stack's builds
    debian = ensure_base(print)
    with tempfile.TemporaryDirectory() as folder, images() as built:
        cache = ImageCache(Path(folder), places.cache() / "image-packages")
        contexts = {path: cache.stage(read(path, "")) for path in (CATALOG / "base", *SERVERS)}

        def build(path: Path, base: str, tag: str) -> str:
            docker("build", "--quiet", "--no-cache", f"--build-arg=BASE={base}", f"--tag={tag}",
                   str(contexts[path]))  # fmt: skip
            built.append(tag)
            return tag

        began = time.monotonic()
        base = build(CATALOG / "base", debian, "bench-base")
        added = {
            path.name: size(build(path, base, f"bench-{path.name}")) - size(base)
            for path in SERVERS
        }
        shared = time.monotonic() - began
        began = time.monotonic()
        for path in SERVERS:
            own = build(CATALOG / "base", debian, f"bench-base-of-{path.name}")
            build(path, own, f"bench-separate-{path.name}")
        separate = time.monotonic() - began
        for name, more in added.items():
            print(f"{name:<20}{more / 1e6:>8.1f} MB on the base")
        alone, whole = size(base) / 1e6, (size(base) + sum(added.values())) / 1e6
        print(f"base {alone:.1f} MB, with all servers {whole:.1f} MB: {whole / alone:.2f}x")
        print(f"on one base {shared:.1f} s, each on its own {separate:.1f} s:", end=" ")
        print(f"{separate / shared:.1f}x for {len(SERVERS)} servers")


@contextmanager
def images() -> Iterator[list[str]]:
    """Tags of images that are removed at the end, the last first."""
    made: list[str] = []
    try:
        yield made
    finally:
        for tag in reversed(made):
            docker("image", "rm", "--force", tag)


def size(image: str) -> int:
    """Bytes of an image including its base images."""
    return int(docker("image", "inspect", "--format", "{{.Size}}", image))


if __name__ == "__main__":
    main()
