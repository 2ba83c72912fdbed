"""Every trial of the search in one table, with its state and the reason."""

from dpo_ray.config.redaction import redact_text
from dpo_ray.report.page.axes import words_of
from dpo_ray.report.page.beware import first_line
from dpo_ray.report.page.material import Material
from dpo_ray.report.page.rooms import NOTHING, Cell, Room, Row, Table, number_cell
from dpo_ray.report.ranking import RankedRow
from dpo_ray.tracking.objective import objective_value
from dpo_ray.tracking.state import SweepState
from dpo_ray.tracking.wording import HEADINGS, number, with_interval

SHORT, LONG = 90, 4000
ORIGINS = {
    "control": "the sweep file",
    "warm_start": "older sweep",
    "startup": "start-up draw",
    "try_first": "search.try_first",
}


def trials(material: Material) -> Room | None:
    """Return the table, best trial first; None before the first trial."""
    state = material.state
    if not state.trials:
        return None
    names, extra = list(state.parameters), _extra(state)
    heads = [
        "#", "trial", *(HEADINGS.get(name, words_of(name)) for name in names),
        *(words_of(name) for name in extra), "win rate [95 %]", "KL, nats", "step", "state",
        "reason", "proposed by", "seconds",
    ]  # fmt: skip
    rows = [_row(state, row, names, extra) for row in material.rows]
    words = (
        "At each trial's best checkpoint. A column's heading sorts by it. A trial that was stopped "
        "at a rung has a place: its checkpoint is a model like any other. Failed ones have none."
    )
    return Room(
        "trials", "All trials", [words], tables=[Table("All trials", heads, rows, is_sortable=True)]
    )


def _extra(state: SweepState) -> list[str]:
    """Metrics that have a column beside win rate and KL."""
    metric = state.objective[0]
    gold = any("eval/gold_reward" in row.metrics for row in state.trials.values())
    found = [metric] if metric not in ("win_rate", "kl", "gold_reward") else []
    return found + ["gold_reward"] * gold + ["objective"] * bool(state.objectives[0].get("penalty"))


def _row(state: SweepState, row: RankedRow, names: list[str], extra: list[str]) -> Row:
    trial = row.trial
    params = trial.params if trial else {}
    scored = row.metrics | {"eval/objective": objective_value(row.metrics, state.objectives[0])}
    cells = [
        number_cell(row.place, None if row.place is None else str(row.place)),
        Cell(row.name),
        *(_value(params.get(name)) for name in names),
        *(number_cell(scored.get(f"eval/{name}")) for name in extra),
        _win_rate(row),
        number_cell(row.metrics.get("eval/kl")),
        number_cell(row.step, f"{row.step}/{trial.total_steps}")
        if trial
        else number_cell(0.0, "0"),
        Cell(_state(row)),
        _reason(trial.reason if trial else "the model that all are compared with"),
        Cell(ORIGINS.get(trial.origin, trial.origin) if trial else ""),
        number_cell(trial.seconds, f"{trial.seconds:.0f}") if trial else number_cell(None),
    ]
    return Row(cells, _mark(row))


def _win_rate(row: RankedRow) -> Cell:
    value = row.metrics.get("eval/win_rate")
    return number_cell(value, None if value is None else with_interval(row.metrics, "win_rate"))


def _value(value: object) -> Cell:
    if value is None:
        return Cell(NOTHING, is_number=True)
    if isinstance(value, bool | str):
        return Cell(str(value).lower() if isinstance(value, bool) else value)
    return number_cell(float(str(value)), number(value))


def _state(row: RankedRow) -> str:
    marks = ["best"] * row.is_best + ["on the front"] * row.on_front + ["default"] * row.is_control
    status = row.trial.status.lower() if row.trial else "reference"
    return ", ".join([status, *marks])


def _reason(text: str) -> Cell:
    told = redact_text(text).strip()
    short = first_line(told, SHORT) if told else ""
    whole = told if len(told) <= LONG else told[:LONG] + " …"
    return Cell(short, more="" if short.rstrip(".") == told.rstrip(".") else whole)


def _mark(row: RankedRow) -> str:
    if row.is_best:
        return "best"
    if row.is_reference:
        return "reference"
    return "default" if row.is_control else "quiet" if row.place is None else ""
