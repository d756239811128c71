"""What an image is made of, and the tag that follows from it.

Two builds with the same tag start from the same bytes: same Dockerfile and sources, same locked
requirements, same base. So an image is built once, and only what changed is built again.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

DOCKERFILE = "Dockerfile"
REQUIREMENTS = "requirements.txt"
SITE_PACKAGES = "site-packages"
"""Directory of the staged context with the Python packages, which Dockerfiles copy."""
GO_MODULE, AUTHORITIES = "go.mod", "authorities.pem"
"""Who has the first one fetches modules while it is built. The second is put beside it: the
certificates that this machine trusts, no part of what is made, as modules are checked by go.sum."""
PYTHON = "3.11"
PLATFORMS = (
    "manylinux2014_x86_64",
    *(f"manylinux_2_{minor}_x86_64" for minor in range(36, 16, -1)),
)
"""Wheels that run on Debian 12 (glibc 2.36), best first. Lambda Cloud's gh200 is not among them."""

_RECIPE = "2"
"""Change it when staging changes what ends up in an image."""
_PIP_HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")
_NOT_SOURCES = {
    *("__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache"),
    *("server.yaml", "README.md", "tools.json", "requirements.in", "conftest.py"),
    *("server.Dockerfile", "server_with_packages.Dockerfile"),
}
"""Names of files and folders that describe an image but are not part of it."""
_INSTALL = """USER root
RUN apt-get update -q \\
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends {} \\
 && rm -rf /var/lib/apt/lists/*
USER 10001:10001
"""
_REFRESH = b"""RUN : %s \\
 && apt-get update -q \\
 && DEBIAN_FRONTEND=noninteractive apt-get upgrade -y -q \\
 && rm -rf /var/lib/apt/lists/*
"""
"""The word is part of the text, or Docker would reuse a cached layer with older updates."""
_FROM_BASE = re.compile(rb"^FROM \$\{BASE\}.*\n", re.MULTILINE)
_TEST = re.compile(r"test_\w+\.py")


@dataclass(frozen=True)
class Source:
    """One file of a build context. path: relative, with slashes."""

    path: str
    content: bytes
    executable: bool


@dataclass(frozen=True)
class BuildContext:
    """All files that an image is built from, and the reference of its base image."""

    sources: tuple[Source, ...]
    base: str

    @property
    def requirements(self) -> str:
        """The locked requirements, "" when the image installs no Python packages."""
        return next((s.content.decode() for s in self.sources if s.path == REQUIREMENTS), "")


def is_source(path: str) -> bool:
    """Whether a file belongs to the context: caches, descriptions and tests don't."""
    parts = path.split("/")
    return not (
        path.endswith(".pyc") or _NOT_SOURCES.intersection(parts) or _TEST.fullmatch(parts[-1])
    )


def server_context(
    name: str,
    sources: Sequence[Source],
    dockerfile: bytes,
    base: str,
    packages: Sequence[str] = (),
) -> BuildContext:
    """The context of the server in the catalog's folder `name`.

    sources: of the folder. dockerfile: the shared one that `shared_dockerfile` names; the command
    it starts contains the name, which CMD can't take from a build argument.
    packages: Debian packages, installed before the server's code, which changes more often.
    """
    if packages:
        first, start, rest = dockerfile.rpartition(b"FROM ${BASE}\n")
        dockerfile = first + start + _INSTALL.format(" ".join(sorted(packages))).encode() + rest
    command = f'CMD ["python", "-m", "sophia_mcp", "{name}"]\n'.encode()
    placed = [
        source
        if source.path == REQUIREMENTS
        else Source(f"mcp_catalog/{name}/{source.path}", source.content, source.executable)
        for source in sources
    ]
    return BuildContext((Source(DOCKERFILE, dockerfile + command, False), *placed), base)


def refreshed(context: BuildContext, refresh: str) -> BuildContext:
    """The context with Debian's updates installed on its base. refresh: any word; a different one
    installs the updates of that day, "" none."""
    if not refresh:
        return context
    layer = _REFRESH % refresh.encode()
    sources = tuple(
        replace(source, content=_FROM_BASE.sub(lambda found: found[0] + layer, source.content))
        if source.path == DOCKERFILE
        else source
        for source in context.sources
    )
    return replace(context, sources=sources)


def shared_dockerfile(sources: Sequence[Source]) -> str:
    """The Dockerfile in the catalog's `base/` that a server with these sources is built by."""
    installs = any(source.path == REQUIREMENTS and source.content.strip() for source in sources)
    return "server_with_packages.Dockerfile" if installs else "server.Dockerfile"


def faults(context: BuildContext) -> list[str]:
    """Why no image can be built from it."""
    found = []
    if not any(source.path == DOCKERFILE for source in context.sources):
        found.append(f"there is no {DOCKERFILE}")
    if any(source.path.split("/")[0] == SITE_PACKAGES for source in context.sources):
        found.append(f"{SITE_PACKAGES}/ is put there by the build and can't be a source")
    if context.requirements.strip() and not _PIP_HASH.search(context.requirements):
        found.append(f"{REQUIREMENTS} has no --hash=sha256:… lines: lock it with hashes")
    return found


def packages_key(requirements: str) -> str:
    """A name for the Python packages that these requirements need: 16 hexadecimal digits."""
    return _digest([PYTHON.encode(), "\n".join(PLATFORMS).encode(), requirements.encode()])


def tag(context: BuildContext) -> str:
    """The image's tag: 16 hexadecimal digits of everything that goes into it."""
    parts = [_RECIPE.encode(), context.base.encode(), packages_key(context.requirements).encode()]
    for source in sorted(context.sources, key=lambda source: source.path):
        parts += [source.path.encode(), b"x" if source.executable else b"-", source.content]
    return _digest(parts)


def pip_install(requirements_file: str, directory: str) -> list[str]:
    """Arguments of `pip` that install packages for the image's Python, not this machine's."""
    return [
        "install",
        "--quiet",
        "--no-compile",
        "--require-hashes",
        "--only-binary=:all:",
        "--implementation=cp",
        f"--python-version={PYTHON}",
        *(f"--platform={platform}" for platform in PLATFORMS),
        f"--target={directory}",
        f"--requirement={requirements_file}",
    ]


def repository(server: str, path: str, name: str) -> str:
    """An image's place in a registry, without its tag: `server/path/name`."""
    return "/".join(part for part in (server, path.strip("/"), name.replace("_", "-")) if part)


def _digest(parts: Sequence[bytes]) -> str:
    """Covers the parts and their borders, so no two lists give the same bytes."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()[:16]
