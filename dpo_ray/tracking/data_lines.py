"""The data report in words: the same lines on the screen, in a log and in MLflow."""

from collections.abc import Iterator

from dpo_ray.data.report import MEANING, DataReport, Finding, Lengths

_DONE = {"keep": "kept", "drop": "dropped", "stop": "stopped at"}
_FAR_FROM_HALF = 0.1


def data_lines(report: DataReport) -> list[str]:
    """Write the report as lines, the first one a heading."""
    rows, tokens = report.rows, report.tokens
    at = f" at {rows.revision[:12]}" if rows.revision else ""
    return [
        f"Data: {rows.source}{at} ({rows.format})",
        f"  rows      {rows.read:,} read, {report.kept:,} kept: {_splits(report)}",
        f"  prompts   {sum(rows.prompts.values()):,} distinct, "
        f"{_in_two(rows.prompts_in_two_splits)}",
        *(f"  {line}" for line in _findings(report.findings)),
        *_lengths(tokens.lengths),
        f"  cut       {tokens.cut_share:.1%} of the pairs have an answer cut at "
        f"{tokens.max_length:,} tokens",
        f"  length    chosen is the longer answer in {tokens.chosen_longer_share:.0%} of the pairs"
        f"{_bias(tokens.chosen_longer_share)}",
    ]


def _splits(report: DataReport) -> str:
    return ", ".join(f"{count:,} {split}" for split, count in report.tokens.rows.items())


def _in_two(count: int) -> str:
    return f"{count:,} of them in two splits" if count else "none in two splits"


def _findings(findings: list[Finding]) -> Iterator[str]:
    if not findings:
        yield "doubtful  none"
    for found in findings:
        rows = ", ".join(map(str, found.rows))
        rest = found.count - len(found.rows)
        more = f" and {rest:,} more" if rest else ""
        yield (
            f"{_DONE[found.action]:<9} {found.count:,} x {found.reason}: "
            f"{MEANING[found.reason]} (row{'s' * (found.count != 1)} {rows}{more})"
        )


def _lengths(lengths: dict[str, Lengths]) -> Iterator[str]:
    for number, (name, found) in enumerate(lengths.items()):
        label = "tokens" if number == 0 else ""
        yield (
            f"  {label:<9} {name:<8} 5 % {found.p5:>5,}  median {found.p50:>5,}  "
            f"95 % {found.p95:>5,}  99 % {found.p99:>5,}  max {found.max:>5,}"
        )


def _bias(share: float) -> str:
    if abs(share - 0.5) <= _FAR_FROM_HALF:
        return ""
    longer = "longer" if share > 0.5 else "shorter"
    return f": {longer} answers may win by length alone"
