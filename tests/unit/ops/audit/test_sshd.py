"""sshd's settings and algorithms: as Debian has them, and as we have them."""

from __future__ import annotations

import json
from pathlib import Path

from components.plan import node_setup
from ops.audit import sshd
from ops.audit.findings import ACCEPTED, judged, read_accepted
from ops.audit.nodes import Node

RECORDED = Path(__file__).parent / "recorded"
GOOD = "".join(f"{option} {values[-1]}\n" for option, values in sshd.WANTED.items())


def told(text: str) -> list[str]:
    (problems,) = sshd.settings([Node("olga", "worker", {"sshd": text})]).problems.values()
    return list(problems)


def test_each_setting_is_looked_at():
    assert told(GOOD) == []
    assert told(GOOD.replace("permitrootlogin no", "permitrootlogin prohibit-password")) == [
        "permitrootlogin: got prohibit-password, expected no"
    ]
    assert told(GOOD.replace("maxauthtries 6", "maxauthtries 7")) == [
        "maxauthtries: got 7, expected 6"
    ]
    assert len(told("")) == len(sshd.WANTED)


def test_debians_own_algorithms_fail_and_ours_are_accepted():
    """Recorded from ssh-audit 3.9.0 against Debian 12's sshd, without and with our file."""
    reports = {
        name: (RECORDED / f"ssh-audit-{name}.json").read_text() for name in ("debian", "ours")
    }
    problems = sshd.judged(reports).problems
    assert "kex ecdh-sha2-nistp256: using elliptic curves that are suspected" in str(problems)
    accepted = [
        one for one in read_accepted(ACCEPTED.read_text(), "prod") if one.check == "sshd-algorithms"
    ]
    by_name = {
        name: judged([sshd.judged({name: report})], accepted) for name, report in reports.items()
    }
    assert [row.state for row in by_name["debian"]] == ["FAIL"]
    assert [row.state for row in by_name["ours"]] == ["accepted"]


def test_a_known_vulnerability_is_a_finding():
    report = json.loads((RECORDED / "ssh-audit-ours.json").read_text())
    report["cves"] = [{"name": "CVE-2026-1", "cvssv2": 7.0, "description": "a way in"}]
    assert "CVE-2026-1: a way in" in sshd.judged({"olga": json.dumps(report)}).problems["olga"]


def test_no_report_is_no_pass():
    check = sshd.judged({"olga": "[exception] cannot connect to 192.0.2.1 port 22: refused"})
    assert check.problems["olga"] == [
        "no report: [exception] cannot connect to 192.0.2.1 port 22: refused"
    ]
    assert sshd.judged({"olga": "{}"}).problems["olga"]


def test_what_we_write_takes_away_what_is_weak():
    files = node_setup.files(gpu=False, registry_server="r", registry_ca="")
    lines = files["/etc/ssh/sshd_config.d/10-sophia.conf"].splitlines()
    assert "KexAlgorithms -ecdh-sha2-*,diffie-hellman-*" in lines
    assert "X11Forwarding no" in lines
