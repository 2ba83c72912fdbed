"""The recommended configuration beside the default and the reference."""

from dpo_ray.evaluation.answer_columns import compared_metric
from dpo_ray.report.page.axes import words_of
from dpo_ray.report.page.material import Material
from dpo_ray.report.page.numbers import as_eval, lead, share
from dpo_ray.report.page.opening import spent
from dpo_ray.report.page.rooms import NOTHING, Cell, Room, Row, Table
from dpo_ray.report.ranking import RankedRow, best_of
from dpo_ray.tracking.progress import leader
from dpo_ray.tracking.records import ConfirmationPlanned, Metrics
from dpo_ray.tracking.trial_row import TrialRow, trial_name
from dpo_ray.tracking.wording import configuration, plain, with_interval


def key_figures(material: Material) -> Room:
    """Return the recommended configuration beside the default and the reference, and the cost."""
    return Room(
        id="figures", title="Key figures", words=[*_read_as(material), spent(material.state)],
        tables=[_confirmed(material) or _searched(material)],
    )  # fmt: skip


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
