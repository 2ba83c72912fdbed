"""`make audit`: known vulnerabilities of the pinned packages, less those waived for a while.

pip-audit asks PyPI for each line of constraints.txt. It lives in an environment of its own, so that
what it needs is not among what it looks at. Exit codes: 0 nothing new, or the advisories could not
be reached, which is said; 1 an advisory that nobody has waived, or a pin that was not looked at
although the others were. With --strict what could not be reached fails, too, and so does a package
that PyPI does not know.
"""

import argparse
import json
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PINS = ROOT / "constraints.txt"
WAIVERS = ROOT / ".ci" / "waivers.toml"
HOME = ROOT / ".venv" / "audit"
PIP_AUDIT = "pip-audit>=2.10,<3"
FEW = 0.5
"""If fewer of the packages were known to PyPI, it was not PyPI that answered."""
NO_WAY = re.compile(r"(?i)connect|resol|time[d ]*out|retries|proxy|redirect|ssl|server error")
"""How pip-audit's last words sound where nobody answered. Any other end of it is a failure."""


@dataclass(frozen=True)
class Waiver:
    """An advisory that does not concern us, in one package, until a day."""

    package: str
    until: date
    reason: str


@dataclass(frozen=True)
class Verdict:
    """What is to be said, and how the process ends: `blind` where something was not looked at."""

    code: int
    lines: list[str] = field(default_factory=list)
    blind: bool = False

    def exit_code(self, strict: bool) -> int:
        return self.code or int(strict and self.blind)


def read_pins(file: Path = PINS) -> dict[str, Version]:
    lines = file.read_text(encoding="utf-8").splitlines()
    wanted = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(each.name): Version(str(each.specifier)[2:]) for each in wanted}


def read_waivers(file: Path = WAIVERS) -> dict[str, Waiver]:
    """Return them by the advisory's id, or an alias."""
    written = tomllib.loads(file.read_text(encoding="utf-8"))
    return {name: Waiver(**facts) for name, facts in written.items()}


def judge(
    report: dict[str, Any], pins: dict[str, Version], waivers: dict[str, Waiver], today: date
) -> Verdict:
    """Decide on pip-audit's report."""
    packages = report["dependencies"]
    skipped = [each for each in packages if "skip_reason" in each]
    looked_at = [each for each in packages if "skip_reason" not in each]
    if len(looked_at) < FEW * len(packages):
        why = f"{len(looked_at)} of {len(packages)} packages are known there"
        return unreachable(f"{why}: {skipped[0]['skip_reason']}")
    lines = [f"SKIPPED {each['name']}: {each['skip_reason']}" for each in skipped]
    found, new = _advisories(looked_at, waivers, today)
    missing = _missing(looked_at, skipped, pins)
    if not looked_at:
        missing.append("MISSING everything: no package was looked at")
    counts = f"{len(looked_at)} packages looked at, {len(skipped)} skipped, {len(found)} advisories"
    code = int(bool(new or missing))
    idle = _idle(looked_at, waivers)
    return Verdict(code, [*lines, *missing, *found, *idle, counts], blind=bool(skipped))


def _missing(
    looked_at: list[dict[str, Any]], skipped: list[dict[str, Any]], pins: dict[str, Version]
) -> list[str]:
    seen = {canonicalize_name(each["name"]): Version(each["version"]) for each in looked_at}
    known = {canonicalize_name(each["name"]) for each in skipped}
    return [
        f"MISSING {name} {pin}: pinned, and not in the report"
        for name, pin in sorted(pins.items())
        if name not in known and seen.get(name) != pin
    ]


def _advisories(
    looked_at: list[dict[str, Any]], waivers: dict[str, Waiver], today: date
) -> tuple[list[str], int]:
    """Return a line for each advisory, and how many of them nobody has waived, or no longer."""
    lines, new = [], 0
    for package in looked_at:
        for hole in package["vulns"]:
            waiver = _waiver_of(package, hole, waivers)
            holds = waiver is not None and today <= waiver.until
            what = f"{package['name']} {package['version']}: {', '.join(_names(hole))}"
            fixed = ", ".join(hole["fix_versions"]) or "no version yet"
            over = "" if waiver is None else f"; the waiver ended on {waiver.until}"
            new += not holds
            lines.append(
                f"waived  {what}: {waiver.reason} (until {waiver.until})"
                if waiver is not None and holds
                else f"FOUND   {what}; mended in {fixed}{over}"
            )
    return lines, new


def _names(hole: dict[str, Any]) -> list[str]:
    return sorted({hole["id"], *hole["aliases"]})


def _waiver_of(
    package: dict[str, Any], hole: dict[str, Any], waivers: dict[str, Waiver]
) -> Waiver | None:
    own = [waivers[name] for name in _names(hole) if name in waivers]
    name = canonicalize_name(package["name"])
    return next((each for each in own if canonicalize_name(each.package) == name), None)


def _idle(looked_at: list[dict[str, Any]], waivers: dict[str, Waiver]) -> list[str]:
    holes = [(package, hole) for package in looked_at for hole in package["vulns"]]
    used = [_waiver_of(package, hole, waivers) for package, hole in holes]
    return [
        f"idle    {name}: waived for {each.package}, but found no more"
        for name, each in sorted(waivers.items())
        if each not in used
    ]


def unreachable(why: str) -> Verdict:
    """Say that nothing was looked at: a machine without the network is no reason to fail."""
    said = f"NOT AUDITED: the advisories cannot be reached from here ({why})"
    return Verdict(0, [said], blind=True)


def ask() -> Verdict:
    """Install pip-audit where it is not, and let it ask."""
    pins, waivers = read_pins(), read_waivers()
    python = HOME / "bin" / "python"
    if not (HOME / "bin" / "pip-audit").is_file():
        subprocess.run([sys.executable, "-m", "venv", str(HOME)], check=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--retries", "1", PIP_AUDIT]
        if subprocess.run(install, stderr=subprocess.DEVNULL).returncode:
            return unreachable("pip-audit cannot be installed")
    done = subprocess.run(
        [str(HOME / "bin" / "pip-audit"), "--requirement", str(PINS),
         "--no-deps", "--disable-pip", "--format", "json", "--progress-spinner", "off"],
        capture_output=True,
        text=True,
    )  # fmt: skip
    try:
        report = json.loads(done.stdout)
    except ValueError:
        last = (done.stderr.strip().splitlines() or ["no answer"])[-1][:300]
        if NO_WAY.search(done.stderr):
            return unreachable(last)
        return Verdict(1, [f"FAILED  pip-audit ended with exit code {done.returncode}: {last}"])
    return judge(report, pins, waivers, datetime.now(UTC).date())


if __name__ == "__main__":
    options = argparse.ArgumentParser(description="Known vulnerabilities of the pinned packages.")
    options.add_argument("--strict", action="store_true", help="fail over what nobody looked at")
    strict = options.parse_args().strict
    verdict = ask()
    sys.stdout.write("\n".join(verdict.lines) + "\n")
    sys.exit(verdict.exit_code(strict))
