"""What the sweep has cost, and whether its early stops could know what they did."""

from statistics import median

from dpo_ray.report.page.material import Material
from dpo_ray.report.page.rooms import Cell, Room, Row, Table
from dpo_ray.tracking.foretelling import foretelling
from dpo_ray.tracking.state import SweepState
from dpo_ray.tracking.trial_row import TrialRow
from dpo_ray.tracking.wording import duration


def foretold(material: Material) -> Room | None:
    """Return Kendall's tau of each rung with the end; None where nobody can know it."""
    found = foretelling(material.state)
    if not found:
        return None
    rows = [
        Row(
            [
                Cell(f"{each.fraction:.0%} of the steps"),
                Cell(f"{each.tau:.2f}", is_number=True),
                Cell(f"{each.p:.2g}", is_number=True),
                Cell(str(each.trials), is_number=True),
            ]
        )
        for each in found
    ]
    words = (
        "Early stopping is right where early rungs foretell the final ranking: a tau of 1 is the "
        "same order, 0 is no relation. Only trials count that no rung could have stopped."
    )
    heads = ["rung", "Kendall's tau with the end", "p", "trials"]
    table = Table("Rank correlation of each rung with the end", heads, rows)
    return Room("foretold", "Do early rungs foretell the end?", [words], tables=[table])


def cost(material: Material) -> Room | None:
    """Return where the time went; None before a plan."""
    state = material.state
    if not state.lives:
        return None
    rows = [Row([Cell(what), Cell(how)]) for what, how in _facts(state)]
    warm = [f"W{state.warm.note[1:]}."] if state.warm is not None else []
    return Room("cost", "Cost", warm, tables=[Table("What it took", ["", ""], rows)])


def _facts(state: SweepState) -> list[tuple[str, str]]:
    searched = _span(list(state.trials.values()))
    again = _span(list(state.confirmations.values()))
    facts = [("In all", f"{duration(state.seconds)}{_runs(state)}")]
    if state.prepared is not None:
        kept = "found in the cache" if state.prepared.reused else duration(state.prepared.seconds)
        facts.append(("Preparing data and reference", kept))
    if searched:
        facts += [
            ("Search", duration(searched)),
            ("Trials per minute", f"{60 * len(state.trials) / searched:.1f}"),
        ]
    if again:
        trainings = len(state.confirmations)
        facts.append(("Confirmation", f"{duration(again)} for {trainings} trainings"))
    if state.gpu_seconds:
        facts.append(("GPU-hours", f"{state.gpu_seconds / 3600:.2f}"))
    return facts + _trial_facts(state)


def _trial_facts(state: SweepState) -> list[tuple[str, str]]:
    """Medians over the trials that ran to their end."""
    rows = [row for row in state.with_status("COMPLETED") if row.seconds]
    if not rows:
        return []
    facts = [("A completed trial, median", duration(median(row.seconds for row in rows)))]
    parts = {
        "evaluation_s": "Of which evaluation, median",
        "gap_s": "From the end of a slot's trial to the next one's first step, median",
    }
    for key, what in parts.items():
        known = [row.timings[key] for row in rows if key in row.timings]
        if known:
            facts.append((what, f"{median(known):.1f} s"))
    saved = sum(row.total_steps - row.step for row in state.with_status("STOPPED"))
    steps = sum(row.total_steps for row in state.trials.values())
    if saved:
        facts.append(("Steps that early stopping spared", f"{saved / steps:.0%} of {steps:,}"))
    return facts


def _span(rows: list[TrialRow]) -> float:
    """Seconds from the first start to the last that was heard."""
    if not rows:
        return 0.0
    return max(row.ended or row.last for row in rows) - min(row.started for row in rows)


def _runs(state: SweepState) -> str:
    return f" in {len(state.lives)} runs of the command" if len(state.lives) > 1 else ""
