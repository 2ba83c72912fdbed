"""What token counts say about the pairs, and which rows they cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpo_ray.config.data import WarningsConfig
from dpo_ray.data.checking import refuse_stops
from dpo_ray.data.report import SHOWN_ROWS, Finding, Lengths, Reason, TokenReport
from dpo_ray.errors import DataError

LengthTable = NDArray[np.int32]
"""A line per row: its number in the source, then tokens of prompt, chosen and rejected."""
NAMES = ("prompt", "chosen", "rejected")


@dataclass(frozen=True)
class Dropping:
    """Which tokenized rows stay: by their lengths alone."""

    max_length: int
    warnings: WarningsConfig
    test: float
    """Share of the prompts in the test split; 0 allows an empty one."""

    def long_prompts(self, table: LengthTable) -> NDArray[np.bool_]:
        """Mark rows whose prompt fills max_length, so that no token of an answer is left."""
        return np.asarray(table[:, 1] >= self.max_length)

    def cut(self, table: LengthTable) -> NDArray[np.bool_]:
        """Mark rows with an answer that is cut, but not away."""
        longest = table[:, 1] + table[:, 2:].max(axis=1)
        return np.asarray((longest > self.max_length) & ~self.long_prompts(table))

    def keeps(self, table: LengthTable) -> NDArray[np.bool_]:
        """Mark the rows that stay."""
        stays = ~self.long_prompts(table)
        return stays & ~self.cut(table) if self.warnings.cut_completion == "drop" else stays


def report_on(shards: Sequence[tuple[str, LengthTable]], dropping: Dropping) -> TokenReport:
    """Report on all shards, each given by its split and its token counts.

    Raises:
        DataError: a finding whose action is stop, or a split is left without rows.
    """
    everything = np.concatenate([table for _, table in shards])
    everything = everything[np.argsort(everything[:, 0], kind="stable")]
    warnings = dropping.warnings
    findings = [
        _finding("long_prompt", everything, dropping.long_prompts(everything), warnings),
        _finding("cut_completion", everything, dropping.cut(everything), warnings),
    ]
    refuse_stops("the tokenized pairs", findings)
    rows: dict[str, int] = {}
    for split, table in shards:
        rows[split] = rows.get(split, 0) + int(dropping.keeps(table).sum())
    refuse_empty(rows, dropping)
    kept = everything[dropping.keeps(everything)]
    return TokenReport(
        rows=rows,
        findings=[found for found in findings if found.count],
        lengths={name: _lengths(everything[:, 1 + at]) for at, name in enumerate(NAMES)},
        cut_share=float(dropping.cut(kept).mean()),
        chosen_longer_share=_longer(kept[:, 2], kept[:, 3]),
        max_length=dropping.max_length,
    )


def refuse_empty(rows: Mapping[str, int], dropping: Dropping) -> None:
    """Raise DataError where training, judging or confirming would have nothing."""
    needed = ["train", "validation", *["test"] * (dropping.test > 0)]
    for name in needed:
        if rows.get(name, 0) == 0:
            reason = (
                f"every prompt has data.max_length={dropping.max_length} tokens or more"
                if name in rows
                else "the split has no prompt"
            )
            raise DataError(
                f"the {name} split needs at least one row, but {reason}; "
                "add rows, or change data.validation, data.test or data.max_length"
            )


def _finding(
    reason: Reason, table: LengthTable, marked: NDArray[np.bool_], warnings: WarningsConfig
) -> Finding:
    rows = [int(number) for number in table[marked, 0][:SHOWN_ROWS]]
    return Finding(
        reason=reason, count=int(marked.sum()), action=getattr(warnings, reason), rows=rows
    )


def _lengths(counts: NDArray[np.int32]) -> Lengths:
    p5, p50, p95, p99 = (round(float(each)) for each in np.percentile(counts, [5, 50, 95, 99]))
    return Lengths(p5=p5, p50=p50, p95=p95, p99=p99, max=int(counts.max()))


def _longer(chosen: NDArray[np.int32], rejected: NDArray[np.int32]) -> float:
    differing = chosen != rejected
    return float((chosen > rejected)[differing].mean()) if differing.any() else 0.5
