"""What `make audit` makes of pip-audit's reports."""

import importlib.util

import pytest

from tests.sweeping import ROOT

spec = importlib.util.spec_from_file_location("audit", ROOT / ".ci/audit.py")
audit = importlib.util.module_from_spec(spec)
spec.loader.exec_module(audit)
HOLE = {"id": "PYSEC-2026-1", "aliases": ["CVE-2026-1"], "fix_versions": ["2.0"]}
CLEAN = {"name": "numpy", "version": "2.4", "vulns": []}
HOLLOW = {"name": "ray", "version": "2.60.0", "vulns": [HOLE]}
UNKNOWN = {"name": "torch", "skip_reason": "Dependency not found on PyPI"}


@pytest.mark.parametrize(
    ("packages", "waivers", "code", "words"),
    [
        ([CLEAN], {}, 0, "1 packages looked at, 0 advisories"),
        ([CLEAN, HOLLOW], {}, 1, "ray 2.60.0: CVE-2026-1, PYSEC-2026-1; mended in 2.0"),
        ([HOLLOW], {"CVE-2026-1": "not called"}, 0, "PYSEC-2026-1: not called"),
        ([HOLLOW], {"CVE-2025-9": "another"}, 1, "CVE-2025-9: waived, but found no more"),
        ([CLEAN, CLEAN, UNKNOWN], {}, 0, "2 packages looked at"),
        ([UNKNOWN, UNKNOWN, CLEAN], {}, 0, "NOT AUDITED"),
    ],
)
def test_a_new_advisory_fails_and_silence_is_not_taken_for_safety(packages, waivers, code, words):
    verdict = audit.judge({"dependencies": packages}, waivers)
    assert verdict.code == code
    assert words in "\n".join(verdict.lines)


def test_every_waiver_has_a_reason():
    waivers = audit.tomllib.loads(audit.WAIVERS.read_text(encoding="utf-8"))
    assert all(len(reason) > 20 for reason in waivers.values())


def test_it_looks_at_every_pinned_package():
    assert "make audit" in (ROOT / ".ci/run").read_text(encoding="utf-8")
    assert "audit.py" in (ROOT / "Makefile").read_text(encoding="utf-8")
