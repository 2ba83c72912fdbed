"""Numbers of a confirmation as the page writes them."""

from dpo_ray.evaluation.answer_columns import is_share
from dpo_ray.tracking.records import Metrics


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
