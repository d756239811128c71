"""Known vulnerabilities of what images contain: Python's distributions by pip-audit, Debian's
packages by apt, which knows the fixes published since an image was built.

Vulnerabilities that Debian has not fixed yet are not checked.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from packageurl import PackageURL

from ops.audit.findings import Check

PYTHON, DEBIAN = "python-vulnerabilities", "debian-updates"
"""Names of the checks."""
_PATIENCE = 300
"""Seconds for one lookup."""
# Without the mode, apt is content with no answer at all.
_APT = "apt-get -qq -o APT::Update::Error-Mode=any update && apt-get -qq --simulate upgrade"
_UPGRADE = re.compile(r"^Inst (\S+) \[(\S+)\] \((\S+)", re.MULTILINE)
_UNKNOWN = "Dependency not found on PyPI"


class NoData(Exception):
    """No source of vulnerability data answers."""


def checks(found: Mapping[str, Sequence[PackageURL]]) -> list[Check]:
    """Both. found: by image."""
    return [
        _check(
            Check(PYTHON, "no known vulnerabilities in Python's distributions"),
            _alike(found, "pypi"),
            lambda _, packages: python(_pip_audit(packages)) if packages else [],
        ),
        _check(
            Check(DEBIAN, "no updates of Debian's packages are missing"),
            _alike(found, "deb"),
            # Each of ours is Debian's: an empty list is one that nobody could read.
            lambda image, packages: debian(_apt(image)) if packages else ["it has no packages"],
        ),
    ]


def _alike(
    found: Mapping[str, Sequence[PackageURL]], kind: str
) -> dict[tuple[PackageURL, ...], list[str]]:
    """Images with the same packages of that kind: one lookup is enough for all of them."""
    groups: dict[tuple[PackageURL, ...], list[str]] = {}
    for image, packages in found.items():
        groups.setdefault(tuple(one for one in packages if one.type == kind), []).append(image)
    return groups


def _check(
    check: Check,
    groups: Mapping[tuple[PackageURL, ...], Sequence[str]],
    look: Callable[[str, Sequence[PackageURL]], list[str]],
) -> Check:
    problems: dict[str, list[str]] = {}
    try:
        for packages, images in groups.items():
            told = look(images[0], packages)
            problems |= {image.rpartition("/")[2]: told for image in images}
    except NoData as lack:
        return Check(check.name, check.title, unknown=str(lack))
    return Check(check.name, check.title, problems)


def _pip_audit(packages: Sequence[PackageURL]) -> str:
    """Its report. Raises NoData."""
    with tempfile.TemporaryDirectory() as folder:
        pins = Path(folder) / "requirements.txt"
        pins.write_text("".join(f"{one.name}=={one.version}\n" for one in packages))
        command = [sys.executable, "-m", "pip_audit", "--requirement", str(pins), "--no-deps"]
        command += ["--disable-pip", "--format", "json", "--progress-spinner", "off"]
        return _said(command, "pip-audit", good=(0, 1))


def python(report: str) -> list[str]:
    """The problems in pip-audit's report. Raises NoData if it knows none of the packages. Pure."""
    told = json.loads(report)["dependencies"]
    skipped = [one for one in told if "skip_reason" in one]
    if skipped and len(skipped) == len(told):
        raise NoData(f"pip-audit finds no data: {skipped[0]['skip_reason']}")
    problems = [f"{one['name']}: {one['skip_reason']}" for one in skipped]
    for one in told:
        for known in one.get("vulns", []):
            fixed = " or ".join(known["fix_versions"]) or "no version yet"
            problems.append(f"{one['name']} {one['version']}: {known['id']}, fixed in {fixed}")
    return problems


def _apt(image: str) -> str:
    """apt's simulated upgrade in a container of the image. Raises NoData."""
    command = ["docker", "run", "--rm", "--pull=never", "--user=0", "--entrypoint=sh", image]
    return _said([*command, "-c", _APT], "apt-get")


def debian(said: str) -> list[str]:
    """The updates in apt's output. Pure."""
    return [f"{name} {old}: {new} is available" for name, old, new in _UPGRADE.findall(said)]


def _said(command: Sequence[str], what: str, good: Sequence[int] = (0,)) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        raise NoData(f"{what}: no answer within {_PATIENCE} s") from None
    if done.returncode not in good or not (done.stdout or what == "apt-get"):
        words = done.stderr.strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
        raise NoData(f"{what}: {words[0]}")
    return done.stdout
