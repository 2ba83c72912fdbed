"""Where a trial is evaluated: fractions of its own steps."""

from collections.abc import Sequence


def rung_steps(total_steps: int, fractions: Sequence[float]) -> dict[int, float]:
    """Map the optimizer step of each rung to its fraction; the last step is the last rung.

    Where two fractions of a short trial fall on one step the later one stands.
    """
    return {max(1, round(total_steps * fraction)): fraction for fraction in fractions}


def evaluated_steps(
    total_steps: int, fractions: Sequence[float], stop_at: int | None
) -> dict[int, float]:
    """Map the steps of a trial's evaluations to fractions: its rungs, or only where it stops."""
    if stop_at is None:
        return rung_steps(total_steps, fractions)
    return {min(stop_at, total_steps): stop_at / total_steps}
