"""A confirmation as a table: what every candidate is worth on prompts that no search has seen."""

from rich import box
from rich.table import Table

from dpo_ray.evaluation.answer_columns import compared_metric, is_share
from dpo_ray.tracking.records import CandidateConfirmed, Metrics
from dpo_ray.tracking.state import SweepState
from dpo_ray.tracking.trial_row import trial_name
from dpo_ray.tracking.wording import HEADINGS, number, with_interval


def confirmation_table(state: SweepState, wide: bool = True) -> Table | None:
    """Return the table, best mean first, the reference last; None where nothing was confirmed.

    Not `wide`, it leaves out the configurations, which stand in the ranking, p and spread.
    """
    planned = state.confirmation
    if planned is None or not state.confirmed:
        return None
    metric, names = compared_metric(state.objective[0]), list(state.parameters) if wide else []
    found = list(state.confirmed.values())
    seeds = len(planned.seeds)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, title_justify="left")
    table.title = f"Confirmed on {seeds} fresh seeds and {planned.prompts:,} unseen prompts"
    table.padding = (0, 1, 0, 0)
    table.add_column("trial", no_wrap=True)
    headings = [*(HEADINGS.get(name, name) for name in names), "step", f"{_words(metric)} [95 %]"]
    extra = ["p", "seed sd"] if wide else []
    for heading in [*headings, "against default", *extra, "optimism", "KL"]:
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("")
    order = sorted(found, key=lambda each: -each.metrics.get(f"confirm/{metric}", 0.0))
    for each in order:
        table.add_row(*_cells(state, each, metric, names, wide), style=_style(state, each))
    reference = with_interval(planned.reference, metric)
    blank = [""] * len(names)
    cells = ["ref", *blank, "", reference, "", *("" for _ in extra), "", "0.00", "reference"]
    table.add_row(*cells, style="dim")
    return table


def _cells(
    state: SweepState, each: CandidateConfirmed, metric: str, names: list[str], wide: bool
) -> list[str]:
    assert state.confirmation is not None
    tried = state.confirmation.candidates[each.candidate]
    metrics = {name.replace("confirm/", "eval/", 1): v for name, v in each.metrics.items()}
    scale = 100 if is_share(metric) else 1
    extra = [_decimals(metrics, name, 3) for name in ("against_default_p", "seed_spread")]
    return [
        trial_name(tried.trial),
        *(number(tried.params.get(name, "")) for name in names),
        f"{tried.step}/{tried.total_steps}",
        with_interval(metrics, metric),
        _lead(metrics, scale),
        *(extra if wide else []),
        _signed(metrics, "optimism", scale),
        _decimals(metrics, "kl", 2),
        _marks(state, each, tried.is_default),
    ]


def _words(metric: str) -> str:
    return metric.replace("_", " ")


def _lead(metrics: Metrics, scale: int) -> str:
    """`+6.1 [+3.2, +9.0]`, in points for shares."""
    found = [metrics.get(f"eval/against_default{end}") for end in ("", "_low", "_high")]
    if None in found:
        return ""
    value, low, high = (scale * float(each or 0.0) for each in found)
    return f"{value:+.1f} [{low:+.1f}, {high:+.1f}]"


def _signed(metrics: Metrics, name: str, scale: int) -> str:
    value = metrics.get(f"eval/{name}")
    return "" if value is None else f"{scale * value:+.1f}"


def _decimals(metrics: Metrics, name: str, digits: int) -> str:
    value = metrics.get(f"eval/{name}")
    return "" if value is None else f"{value:.{digits}f}"


def _marks(state: SweepState, each: CandidateConfirmed, is_default: bool) -> str:
    champion = state.verdict is not None and state.verdict.champion == each.candidate
    failed = int(each.metrics.get("confirm/failed_seeds", 0))
    marks = ["confirmed"] * champion + ["default"] * is_default
    return ", ".join([*marks, *[f"{failed} failed"] * bool(failed)])


def _style(state: SweepState, each: CandidateConfirmed) -> str:
    champion = state.verdict is not None and state.verdict.champion == each.candidate
    return "bold" if champion else ""
