"""The page of two sweeps or more: one sentence, one table, their curves on one another."""

from collections.abc import Sequence

from dpo_ray.evaluation.answer_columns import compared_metric
from dpo_ray.report.page import axes
from dpo_ray.report.page.comparing import best_found, comparison, result
from dpo_ray.report.page.differing import differences, unlike
from dpo_ray.report.page.material import Material
from dpo_ray.report.page.numbers import lead, share
from dpo_ray.report.page.opening import spent, standing
from dpo_ray.report.page.overlaid import overlaid
from dpo_ray.report.page.rooms import NOTHING, Cell, Room, Row, Table
from dpo_ray.report.page.writing import Page
from dpo_ray.tracking.wording import configuration, plain, with_interval

HEADS = (
    "sweep", "recommended", "numbers", "score", "KL, nats", "against its default",
    "best of the search", "trials",
)  # fmt: skip


def comparison_page(found: Sequence[Material]) -> Page:
    """Return the page; the first sweep is what the others are compared with."""
    names = " and ".join(each.name for each in found)
    return Page(
        title=names,
        question="What two sweeps found, beside each other" if len(found) == 2 else "",
        standing="; ".join(f"{each.name}: {standing(each)}" for each in found),
        headline=" ".join(sentences(found)),
        rooms=[_results(found), _settings(found), overlaid(found)],
    )


def sentences(found: Sequence[Material]) -> list[str]:
    """Say whether the sweeps compare at all, and if so who is better."""
    states = [each.state for each in found]
    why = unlike(states)
    if why:
        return [f"Not comparable: {'; '.join(why)}."]
    return [comparison(found[0], each) for each in found[1:]]


def results_table(found: Sequence[Material]) -> Table:
    """Return a row for each sweep: what it recommends, and the best its search had found."""
    metric = compared_metric(found[0].state.objective[0])
    heads = [f"{axes.words_of(metric)} [95 %]" if head == "score" else head for head in HEADS]
    return Table("What each sweep found", heads, [_row(each, metric) for each in found])


def _row(material: Material, metric: str) -> Row:
    state, it, best = material.state, result(material), best_found(material)
    total = Cell(f"{len(state.trials)}", is_number=True)
    if it is None:
        return Row([Cell(material.name), Cell("nothing"), *[Cell(NOTHING)] * 5, total])
    early = f", stopped at step {it.step}" if it.step < it.total_steps else ""
    searched = NOTHING if best is None else f"{best[0]}: {with_interval(best[1], metric)}"
    default = " (the default)" if it.is_default else ""
    cells = [
        Cell(material.name),
        Cell(f"{it.name}{default}: {configuration(it.params)}{early}"),
        Cell("confirmed" if it.is_confirmed else "of the search"),
        Cell(with_interval(it.metrics, metric), is_number=True),
        Cell(plain(it.metrics, "kl"), is_number=True),
        Cell(lead(it.metrics, share(metric)) or NOTHING, is_number=True),
        Cell(searched, is_number=True),
        total,
    ]
    return Row(cells)


def _results(found: Sequence[Material]) -> Room:
    words = [f"{each.name}: {spent(each.state)}" for each in found]
    return Room("results", "What each sweep found", words, tables=[results_table(found)])


def _settings(found: Sequence[Material]) -> Room:
    differ = differences([each.state for each in found])
    if not differ:
        same = "Nothing: they asked the same question with the same settings."
        return Room("differences", "What differs between them", [same])
    heads = ["setting", *(each.name for each in found)]
    rows = [Row([Cell(each.key), *(Cell(value) for value in each.values)]) for each in differ]
    words = ["Settings that change what a sweep finds; what it may cost is left out."]
    return Room(
        "differences", "What differs between them", words, tables=[Table("Settings", heads, rows)]
    )
