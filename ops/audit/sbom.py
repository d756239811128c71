"""`make sbom`: lists the contents of each image of a stack as CycloneDX 1.5, and checks them for
known vulnerabilities.

Images are read as files: nothing in them is run.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from email.parser import HeaderParser
from pathlib import Path
from typing import IO, Any

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot5
from packageurl import PackageURL

from ops import inspect
from ops.audit import go_binaries, vulnerabilities
from ops.audit.findings import (
    ACCEPTED,
    Unusable,
    failed,
    judged,
    overdue,
    read_accepted,
    table,
)
from ops.nodes import NotUp
from ops.platform import STACK
from ops.progress import say
from ops.stack import StackError
from toolchain import ToolchainError

NAMES = (vulnerabilities.PYTHON, vulnerabilities.DEBIAN)
BUILT = "docker:index/remoteImage:RemoteImage"
"""The type of a built image's resource in the state."""
_DPKG = "var/lib/dpkg/status"
_RELEASE = "etc/os-release"


class NotHere(Exception):
    """An image that this machine's Docker doesn't have, or none at all."""


def images(state: dict[str, Any]) -> list[str]:
    """The images of a stack, `server/name:tag`. state: an export. Pure."""
    found = {
        resource["outputs"]["name"]
        for resource in state.get("resources") or []
        if resource["type"] == BUILT and "name" in resource.get("outputs", {})
    }
    return sorted(found)


def packages(files: Iterable[tuple[str, bytes]]) -> list[PackageURL]:
    """Debian's packages, Python's distributions, and the modules in Go's programs. files: paths
    with their content. Pure."""
    found: list[PackageURL] = []
    status, release = "", ""
    for path, content in files:
        if content.startswith(go_binaries.ELF):
            found += go_binaries.modules(content)
            continue
        text = content.decode(errors="replace")
        if path == _DPKG:
            status = text
        elif path == _RELEASE:
            release = text
        else:
            said = HeaderParser().parsestr(text)
            name = (said["Name"] or "").lower().replace("_", "-")
            if name and said["Version"]:
                found.append(PackageURL("pypi", name=name, version=said["Version"]))
    return sorted({*found, *_debian(status, release)}, key=str)


def _debian(status: str, release: str) -> Iterator[PackageURL]:
    known = dict(line.split("=", 1) for line in release.splitlines() if "=" in line)
    distro = f"{known.get('ID', 'debian')}-{known.get('VERSION_ID', '')}".replace('"', "")
    for paragraph in status.split("\n\n"):
        said = HeaderParser().parsestr(paragraph.strip() + "\n")
        if (said["Status"] or "").endswith(" installed"):
            yield PackageURL(
                "deb",
                "debian",
                said["Package"],
                said["Version"],
                {"arch": said["Architecture"], "distro": distro},
            )


def document(image: str, found: Iterable[PackageURL]) -> str:
    """The SBOM, as JSON."""
    repository, _, tag = image.rpartition(":")
    name = repository.rpartition("/")[2]
    whole = Component(type=ComponentType.CONTAINER, name=name, version=tag, bom_ref=image)
    parts = [
        Component(
            type=ComponentType.LIBRARY,
            name=f"{url.namespace}/{url.name}"
            if url.type == "golang" and url.namespace
            else url.name,
            version=url.version,
            purl=url,
            bom_ref=str(url),
        )
        for url in found
    ]
    bom = Bom(components=parts)
    bom.metadata.component = whole
    bom.register_dependency(whole, parts)
    text: str = JsonV1Dot5(bom).output_as_string(indent=2)
    return text + "\n"


def _wanted(path: str) -> bool:
    python = path.endswith((".dist-info/METADATA", ".egg-info/PKG-INFO"))
    return python or path in (_DPKG, _RELEASE, "usr/lib/os-release")


def read(stream: IO[bytes]) -> Iterator[tuple[str, bytes]]:
    """The files of an exported container that list what is installed, and its programs."""
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            path = member.name.removeprefix("./")
            wanted = _wanted(path)
            if not member.isfile() or not (wanted or member.mode & 0o111):
                continue
            file = archive.extractfile(member)
            assert file is not None
            head = file.read(len(go_binaries.ELF))
            if wanted or head == go_binaries.ELF:
                yield (_RELEASE if path.endswith("os-release") else path), head + file.read()


def of_image(image: str) -> list[PackageURL]:
    """The contents of an image in this machine's Docker. Raises NotHere."""
    made = subprocess.run(
        ["docker", "create", "--pull=never", image, "true"], capture_output=True, text=True
    )
    if made.returncode != 0:
        said = made.stderr.strip().splitlines()[-1:] or ["no answer"]
        raise NotHere(f"{image}: {said[0]}; run it where `pulumi up` built it, or `docker pull` it")
    container = made.stdout.strip()
    try:
        with subprocess.Popen(["docker", "export", container], stdout=subprocess.PIPE) as export:
            assert export.stdout is not None
            return packages(read(export.stdout))
    finally:
        subprocess.run(["docker", "rm", container], capture_output=True, check=True)


def main() -> int:
    """Writes a file per image, then checks them all. Exit status 1 if any check fails."""
    parser = argparse.ArgumentParser(prog="python -m ops.audit.sbom")
    parser.add_argument("--stack", default=STACK, help="(%(default)s)")
    parser.add_argument("--to", type=Path, default=Path(".cache/sbom"), help="(%(default)s)")
    arguments = parser.parse_args()
    try:
        entries = read_accepted(ACCEPTED.read_text(), arguments.stack)
        accepted = [one for one in entries if one.check in NAMES]
        built = images(inspect.stack_named(arguments.stack).exported())
        if not built:
            raise NotHere("the stack has built no images")
        found = {image: of_image(image) for image in built}
    except (StackError, ToolchainError, NotUp, NotHere, Unusable) as failure:
        say(f"error: {failure}")
        return 2
    arguments.to.mkdir(parents=True, exist_ok=True)
    for image, inside in found.items():
        name = image.rpartition("/")[2].partition(":")[0]
        (arguments.to / f"{name}.cdx.json").write_text(document(image, inside))
        say(f"{arguments.to / name}.cdx.json  {len(inside)} packages")
    rows = judged(vulnerabilities.checks(found), accepted)
    rows += overdue(accepted, datetime.now(UTC).date())
    say(table(rows))
    return 1 if failed(rows) else 0


if __name__ == "__main__":
    sys.exit(main())
