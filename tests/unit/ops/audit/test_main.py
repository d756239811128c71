"""The exit status of `make audit` and `make sbom`."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from packageurl import PackageURL

from ops import inspect
from ops.audit import __main__ as audit
from ops.audit import sbom
from ops.audit.findings import Check
from ops.nodes import NotUp


@pytest.mark.parametrize(
    ("checks", "status"),
    [
        ([Check("a", "all is well", {"one": []})], 0),
        ([Check("a", "not checked", unknown="no data")], 0),
        ([Check("a", "one is broken", {"one": ["broken"]})], 1),
    ],
)
def test_it_says_whether_anything_fails(monkeypatch, capsys, tmp_path, checks, status):
    monkeypatch.setattr("sys.argv", ["ops.audit"])
    accepted = tmp_path / "accepted.yaml"  # what is accepted of packages is not stale here
    accepted.write_text("- {check: debian-updates, by: ops, reason: why, again: 2999-01-01}\n")
    monkeypatch.setattr(audit, "ACCEPTED", accepted)
    monkeypatch.setattr(inspect, "stack_named", lambda name: name)
    monkeypatch.setattr(audit, "_checks", lambda stack: checks)
    assert audit.main() == status
    assert checks[0].title in capsys.readouterr().out


def test_a_stack_that_cannot_be_looked_at_is_no_finding(monkeypatch, capsys):
    def away(name: str) -> None:
        raise NotUp("the simulated cloud is not running")

    monkeypatch.setattr("sys.argv", ["ops.audit"])
    monkeypatch.setattr(inspect, "stack_named", away)
    assert audit.main() == 2
    assert "not running" in capsys.readouterr().out


def test_sbom_of_a_stack_without_images_is_no_pass(monkeypatch, capsys, tmp_path):
    stack = SimpleNamespace(exported=lambda: {"resources": []})
    monkeypatch.setattr("sys.argv", ["ops.audit.sbom", "--to", str(tmp_path)])
    monkeypatch.setattr(inspect, "stack_named", lambda name: stack)
    assert sbom.main() == 2
    assert "no images" in capsys.readouterr().out


def test_an_accepted_package_whose_date_has_come_fails_sbom(monkeypatch, tmp_path):
    (accepted := tmp_path / "accepted.yaml").write_text(
        "- {check: debian-updates, by: ops, reason: why, again: 2020-01-01, varies: true}\n"
    )
    built = {"resources": [{"type": sbom.BUILT, "outputs": {"name": "r:5000/t/ai-memory:0123"}}]}
    stack = SimpleNamespace(exported=lambda: built)
    monkeypatch.setattr("sys.argv", ["ops.audit.sbom", "--to", str(tmp_path / "to")])
    monkeypatch.setattr(inspect, "stack_named", lambda name: stack)
    monkeypatch.setattr(sbom, "ACCEPTED", accepted)
    monkeypatch.setattr(sbom, "of_image", lambda image: [])
    monkeypatch.setattr(sbom.vulnerabilities, "checks", lambda found: [])
    assert sbom.main() == 1


@pytest.mark.parametrize(("problems", "status"), [([], 0), (["a 1: 2 is there"], 1)])
def test_sbom_writes_a_file_for_each_image_and_judges_all(monkeypatch, tmp_path, problems, status):
    built = {"resources": [{"type": sbom.BUILT, "outputs": {"name": "r:5000/t/ai-memory:0123"}}]}
    stack = SimpleNamespace(exported=lambda: built)
    found = [PackageURL("deb", "debian", "a", "1")]
    told = Check(sbom.NAMES[1], "updates", {"ai-memory:0123": problems})
    monkeypatch.setattr("sys.argv", ["ops.audit.sbom", "--to", str(tmp_path / "to")])
    monkeypatch.setattr(inspect, "stack_named", lambda name: stack)
    monkeypatch.setattr(sbom, "of_image", lambda image: found)
    monkeypatch.setattr(sbom.vulnerabilities, "checks", lambda found: [told])
    assert sbom.main() == status
    (file,) = (tmp_path / "to").iterdir()
    assert file.name == "ai-memory.cdx.json"
    assert '"a"' in file.read_text()
