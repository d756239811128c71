"""A job's timer on a manager: its files, and the scripts to write, compare and remove them. Pure.

Everything is in UTC, so all managers agree whatever their own time zone.
"""

from __future__ import annotations

import hashlib
import shlex
from dataclasses import dataclass
from pathlib import Path

from providers.swarm.node_files import PUT, differs, put

_UNITS = "/etc/systemd/system"
_WANTED = f"{_UNITS}/timers.target.wants"
_PROGRAM = Path(__file__).with_name("scheduled_run.py")

_SERVICE = """\
[Unit]
Description=Runs {job}, a job of the Swarm, if its schedule has come
After=docker.service
# However often its times come.
StartLimitIntervalSec=0

[Service]
Type=oneshot
ExecStart=/usr/bin/python3 -I {program} {job} "{calendar}"
TimeoutStartSec=5min
# The Swarm may be without a leader, or the job be made anew.
Restart=on-failure
RestartSec=2min
"""
_TIMER = """\
[Unit]
Description=Schedule of {job}, a job of the Swarm

[Timer]
OnCalendar={calendar}
AccuracySec=1s
# A time may have passed while the machine was off.
OnBootSec=2min

[Install]
WantedBy=timers.target
"""


@dataclass(frozen=True)
class Timer:
    """job: the name of its service. expression: as `calendar.fault` takes it."""

    job: str
    expression: str

    @property
    def unit(self) -> str:
        """The timer's unit."""
        return f"job-{self.job}.timer"

    @property
    def files(self) -> dict[str, str]:
        """Contents by path."""
        program = f"/usr/local/lib/sophia/job-{self.job}.py"
        named = {"job": self.job, "program": program, "calendar": self._calendar}
        return {
            program: _PROGRAM.read_text(),
            f"{_UNITS}/{self._service}": _SERVICE.format(**named),
            f"{_UNITS}/{self.unit}": _TIMER.format(**named),
        }

    @property
    def fingerprint(self) -> str:
        """Changes whenever the files do: with another expression, or another version of them."""
        return hashlib.sha256("\0".join(self.files.values()).encode()).hexdigest()[:12]

    def write(self) -> str:
        """A script that writes it and reverts changes made by hand. It fails with systemd's message
        if the expression can't be parsed, or no such time is left."""
        calendar, never = self._calendar, f"no time of {self._calendar!r} is left"
        puts = "\n".join(put(path, text) for path, text in self.files.items())
        return f"""set -eu
{PUT}
times=$(systemd-analyze calendar -- {shlex.quote(calendar)})
case "$times" in *": never"*) echo {shlex.quote(never)} >&2; exit 1;; esac
{puts}
systemctl revert {self._units}
systemctl daemon-reload
systemctl enable --quiet {self.unit}
systemctl restart {self.unit}
"""

    def differing(self) -> str:
        """A script that prints what differs, and nothing if everything is as written."""
        sums = "; ".join(differs(path, text) for path, text in self.files.items())
        return (
            f"{{ {sums}; systemctl show --property DropInPaths --value {self._units}"
            f" | grep -F {self.job}; systemctl is-enabled --quiet {self.unit}"
            f" && systemctl is-active --quiet {self.unit} || echo {self.unit}; }} 2>/dev/null"
        )

    def remove(self) -> str:
        """A script that removes all of it. Missing files are fine."""
        paths = [*self.files, f"{_WANTED}/{self.unit}"]
        return f"""set -eu
systemctl revert {self._units} 2>/dev/null || true
systemctl stop {self._units} 2>/dev/null || true
rm -f {" ".join(paths)}
systemctl daemon-reload
systemctl reset-failed {self._units} 2>/dev/null || true
"""

    @property
    def _service(self) -> str:
        return f"job-{self.job}.service"

    @property
    def _units(self) -> str:
        return f"{self.unit} {self._service}"

    @property
    def _calendar(self) -> str:
        return f"{self.expression} UTC"
