"""What was found in the pairs before anything was trained on them."""

from dpo_ray.config.redaction import redact_text
from dpo_ray.data.report import MEANING, DataReport, Finding
from dpo_ray.report.page.material import Material
from dpo_ray.report.page.rooms import Cell, Room, Row, Table
from dpo_ray.tracking.sft_lines import sft_result

_DONE = {"keep": "kept", "drop": "dropped", "stop": "stopped at"}
_FAR_FROM_HALF = 0.1


def data(material: Material) -> Room | None:
    """Return the report on the pairs, and how the reference came about; None before both."""
    state = material.state
    sft = [] if state.sft is None else [redact_text(sft_result(state.sft))]
    said = [f"{each[0].upper()}{each[1:]}." for each in sft]
    if state.data is None:
        return Room("data", "Data", said) if said else None
    report = DataReport.model_validate(state.data.report)
    return Room(
        id="data",
        title="Data",
        words=[*_words(report), *said],
        tables=[_findings(report.findings)] * bool(report.findings) + [_lengths(report)],
    )


def _words(report: DataReport) -> list[str]:
    rows, tokens = report.rows, report.tokens
    at = f" at {rows.revision[:12]}" if rows.revision else ""
    splits = ", ".join(f"{count:,} {split}" for split, count in tokens.rows.items())
    share = tokens.chosen_longer_share
    bias = ""
    if abs(share - 0.5) > _FAR_FROM_HALF:
        bias = f": {'longer' if share > 0.5 else 'shorter'} answers may win by length alone"
    doubtful = "" if report.findings else " No row was doubtful."
    return [
        f"{redact_text(rows.source)}{at} ({rows.format}): {rows.read:,} rows read, {report.kept:,} "
        f"kept ({splits}). {sum(rows.prompts.values()):,} distinct prompts, "
        f"{rows.prompts_in_two_splits or 'none'} of them in two splits.{doubtful}",
        f"The chosen answer is the longer one in {share:.0%} of the pairs{bias}. "
        f"{tokens.cut_share:.1%} of the pairs have an answer cut at {tokens.max_length:,} tokens.",
    ]


def _findings(findings: list[Finding]) -> Table:
    rows = []
    for found in findings:
        listed = ", ".join(map(str, found.rows))
        more = f" and {found.count - len(found.rows):,} more" * (found.count > len(found.rows))
        cells = [
            Cell(found.reason.replace("_", " ")),
            Cell(MEANING[found.reason]),
            Cell(f"{found.count:,}", is_number=True),
            Cell(_DONE[found.action]),
            Cell(listed + more),
        ]
        rows.append(Row(cells))
    return Table("Doubtful rows", ["finding", "meaning", "rows", "done", "which"], rows)


def _lengths(report: DataReport) -> Table:
    heads = ["text", "5 %", "median", "95 %", "99 %", "longest"]
    rows = [
        Row([Cell(name), *(Cell(f"{count:,}", is_number=True) for count in found)])
        for name, each in report.tokens.lengths.items()
        if (found := (each.p5, each.p50, each.p95, each.p99, each.max))
    ]
    return Table("Lengths in tokens, before anything is cut", heads, rows)
