"""What `make audit` makes of pip-audit's reports, and that it asks about every pinned package."""

import importlib.util
import re
import sys
from datetime import date

import pytest
from packaging.version import Version

from tests.sweeping import ROOT

spec = importlib.util.spec_from_file_location("audit", ROOT / ".ci/audit.py")
audit = importlib.util.module_from_spec(spec)
sys.modules["audit"] = audit  # where its dataclasses look for their names
spec.loader.exec_module(audit)
TODAY = date(2026, 10, 1)
HOLE = {"id": "PYSEC-2026-1", "aliases": ["CVE-2026-1"], "fix_versions": ["2.0"]}
CLEAN = {"name": "numpy", "version": "2.4", "vulns": []}
HOLLOW = {"name": "Ray", "version": "2.60.0", "vulns": [HOLE]}
UNKNOWN = {"name": "torch", "skip_reason": "Dependency not found on PyPI"}
PINS = {"numpy": Version("2.4"), "ray": Version("2.60.0"), "torch": Version("2.13.0")}


def waived(until: date = TODAY, package: str = "ray", advisory: str = "CVE-2026-1"):
    return {advisory: audit.Waiver(package, until, "its dashboard is not started")}


def judge(*packages, waivers=None):
    names = {each["name"].lower() for each in packages}
    pins = {name: pin for name, pin in PINS.items() if name in names}
    return audit.judge({"dependencies": list(packages)}, pins, waivers or {}, TODAY)


@pytest.mark.parametrize(
    ("packages", "waivers", "code", "words"),
    [
        ([CLEAN], {}, 0, "1 packages looked at, 0 skipped, 0 advisories"),
        ([CLEAN, HOLLOW], {}, 1, "Ray 2.60.0: CVE-2026-1, PYSEC-2026-1; mended in 2.0"),
        ([HOLLOW], waived(), 0, "its dashboard is not started (until 2026-10-01)"),
        ([HOLLOW], waived(date(2026, 9, 30)), 1, "the waiver ended on 2026-09-30"),
        ([HOLLOW], waived(package="numpy"), 1, "FOUND   Ray 2.60.0"),
        ([HOLLOW], waived(advisory="CVE-2025-9"), 1, "CVE-2025-9: waived for ray, but found no"),
        ([CLEAN, UNKNOWN], {}, 0, "SKIPPED torch: Dependency not found on PyPI"),
        ([UNKNOWN, UNKNOWN, CLEAN], {}, 0, "NOT AUDITED"),
        ([], {}, 1, "no package was looked at"),
    ],
)
def test_a_new_advisory_fails_and_silence_is_not_taken_for_safety(packages, waivers, code, words):
    verdict = judge(*packages, waivers=waivers)
    assert words in "\n".join(verdict.lines)
    assert verdict.exit_code(strict=False) == code


@pytest.mark.parametrize("packages", [[CLEAN, UNKNOWN], [UNKNOWN, UNKNOWN, CLEAN]])
def test_a_strict_audit_fails_over_what_was_not_looked_at(packages):
    assert judge(*packages).exit_code(strict=True) == 1
    assert judge(CLEAN).exit_code(strict=True) == 0
    assert audit.unreachable("no route").exit_code(strict=True) == 1


@pytest.mark.parametrize(
    "other", [[], [{"name": "ray", "version": "2.59.0", "vulns": []}]], ids=["absent", "older"]
)
def test_a_pin_that_the_report_lacks_is_named_and_fails(other):
    pins = {name: pin for name, pin in PINS.items() if name != "torch"}
    verdict = audit.judge({"dependencies": [CLEAN, *other]}, pins, {}, TODAY)
    assert "MISSING ray 2.60.0: pinned, and not in the report" in verdict.lines
    assert verdict.code == 1


def test_every_waiver_says_of_what_until_when_and_why():
    for waiver in audit.read_waivers().values():
        assert audit.canonicalize_name(waiver.package) in audit.read_pins()
        assert len(waiver.reason) > 20
        assert isinstance(waiver.until, date)


@pytest.mark.parametrize(
    "text",
    ['CVE-1 = "not called"\n', '[CVE-1]\npackage = "ray"\nreason = "not called by us"\n', "[CVE"],
    ids=["no table", "no day", "no TOML"],
)
def test_a_waiver_that_is_none_stops_the_audit(tmp_path, text):
    (tmp_path / "waivers.toml").write_text(text)
    with pytest.raises((TypeError, ValueError)):
        audit.read_waivers(tmp_path / "waivers.toml")


STUB = """#!{python}
import json, re, sys
{first}
file = open(sys.argv[sys.argv.index("--requirement") + 1], encoding="utf-8").read()
found = re.findall(r"(?m)^([A-Za-z0-9._-]+)==(\\S+)$", file)
made = [dict(name=name, version=version, vulns=[]) for name, version in found]
print(json.dumps(dict(dependencies=made{less})))
"""


@pytest.fixture
def pip_audit(tmp_path, monkeypatch):
    """Put something else in pip-audit's place, which reports on the file it was given."""

    def put(first="", less=""):
        monkeypatch.setattr(audit, "HOME", tmp_path)
        stub = tmp_path / "bin/pip-audit"
        stub.parent.mkdir()
        stub.write_text(STUB.format(python=sys.executable, first=first, less=less))
        stub.chmod(0o700)

    return put


def test_it_asks_about_every_pinned_package(pip_audit):
    written = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    pinned = [line for line in written.splitlines() if re.match(r"[A-Za-z0-9]", line)]
    assert len(audit.read_pins()) == len(pinned) > 150
    pip_audit()
    verdict = audit.ask()
    assert verdict.lines[-1] == f"{len(pinned)} packages looked at, 0 skipped, 0 advisories"
    assert verdict.exit_code(strict=True) == 0


def test_it_fails_if_one_of_them_was_not_asked_about(pip_audit):
    pip_audit(less="[1:]")
    assert audit.ask().exit_code(strict=False) == 1


@pytest.mark.parametrize(
    ("last", "code", "words"),
    [
        ("requests.exceptions.ConnectionError: Max retries exceeded", 0, "NOT AUDITED"),
        ("pip-audit: error: unrecognized arguments: --no-deps", 1, "FAILED  pip-audit ended"),
    ],
)
def test_no_answer_is_not_audited_and_a_broken_question_fails(pip_audit, last, code, words):
    pip_audit(first=f"sys.exit({last!r})")
    verdict = audit.ask()
    assert verdict.lines[-1].startswith(words)
    assert verdict.exit_code(strict=False) == code
    assert verdict.exit_code(strict=True) == 1


def test_the_script_that_checks_everything_audits():
    assert re.search(r"(?m)^make audit$", (ROOT / ".ci/run").read_text(encoding="utf-8"))
    recipe = re.search(r"(?m)^audit:.*\n\t(.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"))
    assert recipe.group(1) == "$(BIN)/python .ci/audit.py"
