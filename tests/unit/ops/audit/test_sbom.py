"""What is read from an image's files, and the document made of it."""

from __future__ import annotations

import io
import json
import tarfile

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from ops.audit import sbom, vulnerabilities
from ops.audit.vulnerabilities import NoData

STATUS = """\
Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.36-9+deb12u13
Description: GNU C Library
 with a long text

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1
"""
RELEASE = 'NAME="Debian"\nID=debian\nVERSION_ID="12"\n'
METADATA = "Metadata-Version: 2.4\nName: Typing_Extensions\nVersion: 4.16.0\n\nName: no\n"
FILES = {
    "var/lib/dpkg/status": STATUS,
    "usr/lib/os-release": RELEASE,
    "opt/sophia/lib/python3.11/site-packages/typing_extensions-4.16.0.dist-info/METADATA": METADATA,
    "etc/passwd": "root:x:0:0",
}
EXPECTED = [
    "pkg:deb/debian/libc6@2.36-9%2Bdeb12u13?arch=amd64&distro=debian-12",
    "pkg:pypi/typing-extensions@4.16.0",
]


def archive(files: dict[str, str], program: bytes = b"") -> io.BytesIO:
    made = io.BytesIO()
    contents = {path: text.encode() for path, text in files.items()}
    with tarfile.open(fileobj=made, mode="w") as tar:
        for path, content in (contents | {"usr/bin/program": program}).items():
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(content), 0o755 if content is program else 0o644
            tar.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("etc/os-release")
        link.type, link.linkname = tarfile.SYMTYPE, "../usr/lib/os-release"
        tar.addfile(link)
    made.seek(0)
    return made


def test_packages_of_debian_and_of_python_are_found():
    found = sbom.packages(sbom.read(archive(FILES)))
    assert [str(one) for one in found] == EXPECTED


def test_the_document_keeps_to_cyclonedx_1_5():
    found = sbom.packages(sbom.read(archive(FILES)))
    text = sbom.document("registry.example:5000/team/ai-memory:0123456789abcdef", found)
    assert JsonStrictValidator(SchemaVersion.V1_5).validate_str(text) is None
    told = json.loads(text)
    assert told["metadata"]["component"]["name"] == "ai-memory"
    assert [one["purl"] for one in told["components"]] == EXPECTED
    assert JsonStrictValidator(SchemaVersion.V1_5).validate_str(text.replace("name", "nome"))


def test_the_images_of_a_stack_are_those_that_it_built():
    state = {
        "resources": [
            {"type": sbom.BUILT, "outputs": {"name": "r/b:2"}},
            {"type": sbom.BUILT, "outputs": {"name": "r/a:1"}},
            {"type": sbom.BUILT, "inputs": {"name": "not yet"}},
            {"type": "other", "outputs": {"name": "x"}},
        ]
    }
    assert sbom.images(state) == ["r/a:1", "r/b:2"]


REPORT = {
    "dependencies": [
        {
            "name": "jinja2",
            "version": "3.1.2",
            "vulns": [{"id": "PYSEC-1", "fix_versions": ["3.1.3"]}],
        },
        {"name": "six", "version": "1.0", "vulns": []},
        {"name": "odd", "version": "1.0", "vulns": [{"id": "GHSA-2", "fix_versions": []}]},
    ],
    "fixes": [],
}
UNKNOWN = {"name": "ours", "skip_reason": "Dependency not found on PyPI"}


def test_what_pip_audit_knows_is_a_finding_and_what_it_does_not_know_is_no_pass():
    assert vulnerabilities.python(json.dumps(REPORT)) == [
        "jinja2 3.1.2: PYSEC-1, fixed in 3.1.3",
        "odd 1.0: GHSA-2, fixed in no version yet",
    ]
    partly = {"dependencies": [REPORT["dependencies"][1], UNKNOWN]}
    assert vulnerabilities.python(json.dumps(partly)) == ["ours: Dependency not found on PyPI"]
    with pytest.raises(NoData, match="not found"):
        vulnerabilities.python(json.dumps({"dependencies": [UNKNOWN]}))


APT = """\
Inst openssl [3.0.17-1~deb12u2] (3.0.18-1~deb12u1 Debian-Security:12/oldstable-security [amd64])
Conf openssl (3.0.18-1~deb12u1 Debian-Security:12/oldstable-security [amd64])
"""


def test_updates_that_apt_names_are_findings():
    assert vulnerabilities.debian(APT) == [
        "openssl 3.0.17-1~deb12u2: 3.0.18-1~deb12u1 is available"
    ]
    assert vulnerabilities.debian("") == []


def test_images_with_the_same_packages_are_asked_about_once(monkeypatch):
    deb, wheel = PackageURL("deb", "debian", "a", "1"), PackageURL("pypi", name="b", version="1")
    found = {"r/one:1": [deb, wheel], "r/two:1": [deb], "r/three:1": [wheel]}
    asked: list[str] = []
    monkeypatch.setattr(vulnerabilities, "_apt", lambda image: asked.append(image) or APT)
    monkeypatch.setattr(
        vulnerabilities, "_pip_audit", lambda packages: json.dumps({"dependencies": [UNKNOWN]})
    )
    python, debian = vulnerabilities.checks(found)
    assert "no data" in python.unknown
    assert asked == ["r/one:1"]
    update = vulnerabilities.debian(APT)
    assert debian.problems == {"one:1": update, "two:1": update, "three:1": ["it has no packages"]}
