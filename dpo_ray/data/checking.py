"""The first pass over a source: every row checked, doubtful ones marked. Nothing is kept of it
but two fingerprints a row."""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpo_ray.config.data import WarningsConfig
from dpo_ray.data.checks import Format, Problem, check_row, is_identical_pair
from dpo_ray.data.duplicates import Prints, contradicted, pair_prints, repeated
from dpo_ray.data.report import MEANING, SHOWN_ROWS, Finding, Reason
from dpo_ray.errors import DataError

SHOWN_PROBLEMS = 5
Marks = NDArray[np.bool_]


@dataclass(frozen=True)
class Checked:
    """What the first pass found. `keep` marks the rows that stay, in file order: (rows,)."""

    keep: Marks
    findings: list[Finding]


def check_rows(
    where: str, rows: Iterator[dict[str, Any]], expected: Format, warnings: WarningsConfig
) -> Checked:
    """Check every row of a source.

    Raises:
        DataError: a row breaks a rule of `checks.check_row`, a finding whose action is stop, or
            no row is left. The text names source and rows.
    """
    problems: list[Problem] = []
    identical, prints = array("B"), array("Q")
    for number, row in enumerate(rows, start=1):
        checked = check_row(number, row, expected)
        if isinstance(checked, Problem):
            problems.append(checked)
        elif not problems:
            identical.append(is_identical_pair(checked))
            prints.extend(pair_prints(checked))
    refuse_problems(where, problems)
    marks = _marks(
        np.array(identical, dtype=bool), *np.array(prints, dtype=np.uint64).reshape(-1, 2).T
    )
    findings = [finding(reason, marked, warnings) for reason, marked in marks.items()]
    refuse_stops(where, findings)
    keep = np.ones(len(identical), dtype=bool)
    for found in findings:
        if found.action == "drop":
            keep &= ~marks[found.reason]
    if not keep.any():
        raise DataError(f"{where}: no row is left: {_in_words(findings, len(identical))}")
    return Checked(keep, [found for found in findings if found.count])


def _marks(identical: Marks, own: Prints, turned: Prints) -> dict[Reason, Marks]:
    """Mark rows by reason; an identical pair is neither a duplicate nor a contradiction."""
    return {
        "identical_pair": identical,
        "duplicate_pair": repeated(own) & ~identical,
        "contradicting_pair": contradicted(own, turned) & ~identical,
    }


def finding(reason: Reason, marked: Marks, warnings: WarningsConfig) -> Finding:
    """Count the marked rows. `marked`: (rows,), in file order."""
    return Finding(
        reason=reason,
        count=int(marked.sum()),
        action=getattr(warnings, reason),
        rows=[int(index) + 1 for index in np.flatnonzero(marked)[:SHOWN_ROWS]],
    )


def refuse_stops(where: str, findings: Sequence[Finding]) -> None:
    """Raise DataError where the configuration says to stop at what was found."""
    stops = [found for found in findings if found.action == "stop" and found.count]
    if stops:
        lines = [
            f"{where}: data.warnings.{found.reason} is stop, and {MEANING[found.reason]} in "
            f"{found.count} row{'s' * (found.count != 1)}: {numbers(found)}"
            for found in stops
        ]
        raise DataError("\n".join(lines))


def numbers(found: Finding) -> str:
    """Name the first rows of a finding: `row 3, 8 and 12 more`."""
    shown = ", ".join(map(str, found.rows))
    rest = found.count - len(found.rows)
    return f"row{'s' * (found.count != 1)} {shown}" + (f" and {rest} more" if rest else "")


def refuse_problems(where: str, problems: Sequence[Problem]) -> None:
    """Raise DataError that names the first of the broken rows."""
    if not problems:
        return
    lines = [f"{where}: row {problem.row}: {problem.text}" for problem in problems[:SHOWN_PROBLEMS]]
    if len(problems) > SHOWN_PROBLEMS:
        lines.append(f"{where}: and {len(problems) - SHOWN_PROBLEMS} more rows with problems")
    raise DataError("\n".join(lines))


def _in_words(findings: Sequence[Finding], read: int) -> str:
    if findings[0].count == read:
        return f"in all {read} rows chosen equals rejected, so there is nothing to prefer"
    dropped = [
        f"{found.count} because {MEANING[found.reason]}"
        for found in findings
        if found.action == "drop" and found.count
    ]
    return f"of {read} rows {', '.join(dropped)} (data.warnings says to drop them)"
