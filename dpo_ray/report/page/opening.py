"""The top of the page: how the sweep stands, its verdict, and its key figures."""

from datetime import UTC, datetime

from dpo_ray.config.redaction import redact_text
from dpo_ray.evaluation.answer_columns import compared_metric, is_share
from dpo_ray.report.page.charts import words_of
from dpo_ray.report.page.material import Material
from dpo_ray.report.page.rooms import NOTHING, Cell, Room, Row, Table
from dpo_ray.report.ranking import RankedRow, best_of
from dpo_ray.tracking.progress import leader
from dpo_ray.tracking.records import ConfirmationPlanned, Metrics
from dpo_ray.tracking.state import SweepState
from dpo_ray.tracking.trial_row import TrialRow, trial_name
from dpo_ray.tracking.wording import configuration, duration, plain, with_interval


def standing(material: Material) -> str:
    """Say whether the sweep is over, how it ended, and from when it is."""
    state = material.state
    if state.plan is None:
        return "Nothing has happened yet"
    began = state.lives[0].began if state.lives else None
    day = f", begun {at(began)}" if began else ""
    if state.ended is not None and state.ended.exit_code == 0:
        return f"Done{day}"
    if state.ended is not None:
        why = redact_text(state.ended.reason).rstrip(".")
        return f"Ended with exit code {state.ended.exit_code}: {why}{day}"
    over = sum(row.status != "RUNNING" for row in state.trials.values())
    far = f"{over} of {state.trials_asked} trials have ended"
    if material.live:
        return f"Still running: {far}{day}. This page shows what was known when it was written"
    return f"Not at its end: {far}{day}, and no process works on it. The same command goes on"


def at(seconds: float) -> str:
    """`2026-01-02 03:04 UTC`."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


def headline(material: Material) -> str:
    """Return the verdict in one sentence."""
    state = material.state
    if state.verdict is not None:
        return f"Confirmed: {redact_text(state.verdict.verdict)}."
    best = best_of(material.rows)
    if best is not None and best.trial is not None:
        confirms = "not confirmed on fresh seeds" + " yet" * state.confirms
        early = "" if best.step == best.trial.total_steps else f", stopped at step {best.step}"
        return (
            f"Best so far: {configuration(best.trial.params)}{early} ({best.name}), "
            f"{words_of(state.objective[0])} {with_interval(best.metrics, state.objective[0])}; "
            f"{confirms}."
        ).replace("Best so far", "Best of the search" if state.ended else "Best so far")
    if state.ended is None and not state.with_status("FAILED"):
        return "No trial has completed yet."
    return "No trial completed, so nothing is ranked first."


def key_figures(material: Material) -> Room:
    """Return the recommended configuration beside the default and the reference, and the cost."""
    return Room(
        id="figures", title="Key figures", words=[*_read_as(material), spent(material.state)],
        tables=[_confirmed(material) or _searched(material)],
    )  # fmt: skip


def spent(state: SweepState) -> str:
    """`12 trials in 2 min 10 s on 2 slots: 8 completed, 3 stopped early, 1 failed.`"""
    counts = (
        ("COMPLETED", "completed"), ("STOPPED", "stopped early"), ("FAILED", "failed"),
        ("KILLED", "interrupted"), ("RUNNING", "running"),
    )  # fmt: skip
    ends = [f"{len(found)} {w}" for s, w in counts if (found := state.with_status(s))]
    again = len(state.confirmations)
    more = f", and {again} trainings of the confirmation" if again else ""
    gpus = f", {state.gpu_seconds / 3600:.2f} GPU-hours" if state.gpu_seconds else ""
    total = len(state.trials)
    return (
        f"{total} trial{'s' * (total != 1)} ({', '.join(ends) or 'none began'}){more}; "
        f"{duration(state.seconds)} in all{gpus}."
    )


def _read_as(material: Material) -> list[str]:
    state, planned = material.state, material.state.confirmation
    if planned is not None and state.confirmed:
        return [
            f"Means over {len(planned.seeds)} fresh seeds on {planned.prompts:,} prompts that the "
            "search never saw; brackets are 95 % intervals over seeds and prompts."
        ]
    return [
        "On the validation prompts of the search, brackets are 95 % intervals. A search score is "
        "optimistic: the best of many is partly the luckiest."
    ]


def _confirmed(material: Material) -> Table | None:
    """The confirmation's numbers of the recommended, the default and the reference."""
    state, planned = material.state, material.state.confirmation
    if planned is None or not state.confirmed:
        return None
    metric = compared_metric(state.objective[0])
    champion = None if state.verdict is None else state.verdict.champion
    default = next((i for i, each in enumerate(planned.candidates) if each.is_default), None)
    rows = []
    for index, what, mark in ((champion, "Recommended", "best"), (default, "Default", "default")):
        if index is not None and index in state.confirmed:
            metrics = as_eval(state.confirmed[index].metrics)
            whom = (what, trial_name(planned.candidates[index].trial))
            rows.append(_row(whom, _what(planned, index), metrics, metric, mark, share(metric)))
    rows.append(
        _row(("Reference", ""), "the model before DPO", planned.reference, metric, "reference")
    )
    return _table(metric, rows, with_lead=True)


def _searched(material: Material) -> Table:
    """The search's numbers of the best, the default and the reference."""
    state, metric = material.state, material.state.objective[0]
    found: list[tuple[str, str, RankedRow | None]] = [
        ("Best", "best", best_of(material.rows)),
        ("Default", "default", _at_its_end(material)),
    ]
    rows = [
        _row((what, row.name), _config(row), row.metrics, metric, mark)
        for what, mark, row in found
        if row is not None and row.trial is not None and row.metrics
    ]
    if not rows and (ahead := leader(state)) is not None:
        rows.append(_row(("Ahead", ahead.name), configuration(ahead.params), ahead.metrics, metric))
    rows.append(
        _row(("Reference", ""), "the model before DPO", state.reference, metric, "reference")
    )
    return _table(metric, rows, with_lead=False)


def _at_its_end(material: Material) -> RankedRow | None:
    """The default configuration with its last evaluation: nobody chose its checkpoint."""
    row = material.control
    if row is None or row.trial is None or not row.trial.rungs:
        return row
    last = row.trial.rungs[-1]
    return RankedRow(row.name, row.place, last.metrics, row.trial, last)


def _table(metric: str, rows: list[Row], *, with_lead: bool) -> Table:
    score = f"{words_of(metric)} [95 %]"
    heads = ["", "configuration", score, "KL, nats", "gold reward", "against the default"]
    if not with_lead:
        heads, rows = heads[:-1], [Row(row.cells[:-1], row.mark) for row in rows]
    kept = [
        index
        for index in range(len(heads))
        if index < 3 or any(row.cells[index].text != NOTHING for row in rows)
    ]
    return Table(
        caption="The recommended configuration beside the default and the reference",
        heads=[heads[index] for index in kept],
        rows=[Row([row.cells[index] for index in kept], row.mark) for row in rows],
    )


def _row(
    whom: tuple[str, str], what: str, metrics: Metrics, metric: str, mark: str = "",
    scale: float = 1.0,
) -> Row:  # fmt: skip
    gold = with_interval(metrics, "gold_reward")
    cells = [
        Cell(" ".join(part for part in whom if part)),
        Cell(what),
        Cell(_or_dash(with_interval(metrics, metric)), is_number=True),
        Cell(_or_dash(plain(metrics, "kl")), is_number=True),
        Cell(_or_dash(gold), is_number=True),
        Cell(lead(metrics, scale) or NOTHING, is_number=True),
    ]
    return Row(cells, mark)


def lead(metrics: Metrics, scale: float) -> str:
    """`+6.1 points [+3.2, +9.0]`; empty for the default itself."""
    found = [metrics.get(f"eval/against_default{end}") for end in ("", "_low", "_high")]
    if None in found:
        return ""
    value, low, high = (scale * float(each or 0.0) for each in found)
    unit = " points" if scale == 100 else ""
    digits = 1 if scale == 100 else 2
    return f"{value:+.{digits}f}{unit} [{low:+.{digits}f}, {high:+.{digits}f}]"


def share(metric: str) -> float:
    """Return 100 for a metric whose differences are percentage points, 1 for any other."""
    return 100.0 if is_share(metric) else 1.0


def as_eval(metrics: Metrics) -> Metrics:
    """Return the confirmation's metrics under the names that the search's have."""
    return {name.replace("confirm/", "eval/", 1): value for name, value in metrics.items()}


def _what(planned: ConfirmationPlanned, index: int) -> str:
    tried = planned.candidates[index]
    early = tried.step < tried.total_steps
    return configuration(tried.params) + (f", stopped at step {tried.step}" if early else "")


def _config(row: RankedRow) -> str:
    trial: TrialRow | None = row.trial
    assert trial is not None
    early = "" if row.step == trial.total_steps else f", stopped at step {row.step}"
    return configuration(trial.params) + early


def _or_dash(text: str) -> str:
    return NOTHING if text == "-" else text
