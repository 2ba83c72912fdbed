"""Short words for numbers, trials and metrics, shared by every mirror and the report."""

from collections.abc import Mapping
from math import isfinite

from dpo_ray.tracking.records import Params
from dpo_ray.tracking.trial_row import TrialRow

HEADINGS = {"learning_rate": "lr", "lora_rank": "rank", "example_weight": "weighted"}
"""Short names of parameters above a table's columns."""
_SHORT = {"beta": "beta", "learning_rate": "lr", "lora_rank": "r"}


def number(value: object, digits: int = 3) -> str:
    """Three significant digits, `1.8e-3` where a plain number would be long or tiny."""
    if not isinstance(value, float):
        return str(value)
    if not isfinite(value) or value == 0 or 1e-2 <= abs(value) < 1e4:
        return f"{value:.{digits}g}"
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}"


def run_name(trial: TrialRow) -> str:
    """`t04 beta=0.132 lr=1.8e-3 r=16`: short enough not to be cut off in MLflow's charts.

    A confirmation's trainings of one configuration differ by their seed, which they show as well.
    """
    seed = [] if trial.confirms is None else [f"seed={trial.seed}"]
    return " ".join([trial.name, short(trial.params), *seed]).strip()


def short(params: Params) -> str:
    """`beta=0.132 lr=1.8e-3 r=16`."""
    names = sorted(params, key=lambda name: [*_SHORT, name].index(name))
    return " ".join(f"{_SHORT.get(name, name)}={number(params[name])}" for name in names)


def configuration(params: Params) -> str:
    """`beta 0.132, learning_rate 1.8e-3, lora_rank 16`."""
    return ", ".join(f"{key} {number(value)}" for key, value in params.items())


def with_interval(metrics: Mapping[str, float], metric: str) -> str:
    """`0.71 [0.63, 0.79]`, without the brackets where no interval was measured, `-` for nothing."""
    value, low, high = (metrics.get(f"eval/{metric}{end}") for end in ("", "_low", "_high"))
    if value is None:
        return "-"
    return f"{value:.2f}" if low is None or high is None else f"{value:.2f} [{low:.2f}, {high:.2f}]"


def plain(metrics: Mapping[str, float], metric: str) -> str:
    """A metric with three significant digits, `-` where it was not measured."""
    value = metrics.get(f"eval/{metric}")
    return "-" if value is None else number(float(value))


def duration(seconds: float) -> str:
    """`42 s`, `3 min 05 s`, `2 h 07 min`."""
    whole = round(max(seconds, 0.0))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
