"""`make audit`: known vulnerabilities of the pinned packages, less those waived with a reason.

pip-audit asks PyPI for each line of constraints.txt. It lives in an environment of its own, so that
what it needs is not among what it looks at. Exit codes: 0 nothing new, or the advisories could not
be reached, which is said; 1 an advisory that nobody has waived.
"""

import json
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
WAIVERS = ROOT / ".ci" / "waivers.toml"
HOME = ROOT / ".venv" / "audit"
PIP_AUDIT = "pip-audit>=2.10,<3"
FEW = 0.5
"""If fewer of the packages were known to PyPI, it was not PyPI that answered."""


@dataclass(frozen=True)
class Verdict:
    """What is to be said, and how the process ends."""

    code: int
    lines: list[str]


def judge(report: dict[str, Any], waivers: dict[str, str]) -> Verdict:
    """Decide on pip-audit's report; `waivers` maps an advisory's id, or an alias, to a reason."""
    packages = report["dependencies"]
    looked_at = [each for each in packages if "skip_reason" not in each]
    if len(looked_at) < FEW * len(packages):
        why = next(each["skip_reason"] for each in packages if "skip_reason" in each)
        return unreachable(f"{len(looked_at)} of {len(packages)} packages are known there: {why}")
    found = [(each, hole) for each in looked_at for hole in each["vulns"]]
    lines, code = [], 0
    for package, hole in found:
        names = {hole["id"], *hole["aliases"]}
        reason = next((waivers[name] for name in sorted(names) if name in waivers), None)
        what = f"{package['name']} {package['version']}: {', '.join(sorted(names))}"
        fixed = ", ".join(hole["fix_versions"]) or "no version yet"
        code = code if reason else 1
        lines.append(
            f"waived  {what}: {reason}" if reason else f"FOUND   {what}; mended in {fixed}"
        )
    known = {name for _, hole in found for name in (hole["id"], *hole["aliases"])}
    lines += [
        f"idle    {name}: waived, but found no more" for name in sorted(waivers.keys() - known)
    ]
    return Verdict(code, [*lines, f"{len(looked_at)} packages looked at, {len(found)} advisories"])


def unreachable(why: str) -> Verdict:
    """Say that nothing was looked at: a machine without the network is no reason to fail."""
    return Verdict(0, [f"NOT AUDITED: the advisories cannot be reached from here ({why})"])


def ask() -> Verdict:
    """Install pip-audit where it is not, and let it ask."""
    python = HOME / "bin" / "python"
    if not (HOME / "bin" / "pip-audit").is_file():
        subprocess.run([sys.executable, "-m", "venv", str(HOME)], check=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--retries", "1", PIP_AUDIT]
        if subprocess.run(install, stderr=subprocess.DEVNULL).returncode:
            return unreachable("pip-audit cannot be installed")
    done = subprocess.run(
        [str(HOME / "bin" / "pip-audit"), "--requirement", str(ROOT / "constraints.txt"),
         "--no-deps", "--disable-pip", "--format", "json", "--progress-spinner", "off"],
        capture_output=True,
        text=True,
    )  # fmt: skip
    try:
        return judge(json.loads(done.stdout), tomllib.loads(WAIVERS.read_text(encoding="utf-8")))
    except ValueError:
        last = done.stderr.strip().splitlines() or ["no answer"]
        return unreachable(last[-1][:300])


if __name__ == "__main__":
    verdict = ask()
    sys.stdout.write("\n".join(verdict.lines) + "\n")
    sys.exit(verdict.code)
