"""What speaks against the verdict: signs of over-optimisation, edges, failures, early ends."""

from collections import Counter

from dpo_ray.config.redaction import redact_text
from dpo_ray.report.page.material import Material
from dpo_ray.report.page.rooms import Room
from dpo_ray.report.ranking import best_of
from dpo_ray.report.verdict import verdict
from dpo_ray.tracking.state import SweepState

LONGEST = 160
WHOLE = (0, 8)
"""Exit codes of a plan that was done to its end: a regression is a finding."""


def beware(material: Material) -> Room:
    """Return every sentence that a reader of the verdict should know; one, if there is none."""
    state = material.state
    said = verdict(state, material.rows) if best_of(material.rows) else []
    if state.verdict is not None:
        said = said[1:]  # the headline
    found = [*said, *_failures(state), *_early_end(state)]
    nothing = "Nothing speaks against it: no setting at an edge, no sign of over-optimisation."
    if best_of(material.rows) is None:
        nothing = "There is nothing to use yet."
    return Room(
        id="beware",
        title="What to know before you use it",
        words=[redact_text(each) for each in found] or [nothing],
    )


def _failures(state: SweepState) -> list[str]:
    failed = state.with_status("FAILED")
    if not failed:
        return []
    why, count = Counter(first_line(row.reason) for row in failed).most_common(1)[0]
    often = "" if len(failed) == 1 else f", {count} of them by this"
    return [f"{len(failed)} of {len(state.trials)} trials failed{often}: {why}."]


def _early_end(state: SweepState) -> list[str]:
    if state.ended is None or state.ended.exit_code in WHOLE:
        return []
    rest = state.trials_asked - sum(row.status != "RUNNING" for row in state.trials.values())
    left = f" {rest} trials of the plan were not run." if rest > 0 else ""
    return [f"The sweep ended before its plan was done: {first_line(state.ended.reason)}.{left}"]


def first_line(text: str, longest: int = LONGEST) -> str:
    """Return what fits into a sentence of a reason, which may be a traceback."""
    lines = [line.strip() for line in text.splitlines() if line.strip()] or ["no reason was given"]
    line = lines[-1 if lines[0].startswith("Traceback") else 0].rstrip(".")
    return line if len(line) <= longest else line[: longest - 1] + "…"
