"""Where a metric's value for each single answer stands in what a trial leaves behind."""

from dpo_ray.data.trial_files import COMPLETIONS, EXAMPLES

COLUMNS = {
    "gold_reward": (COMPLETIONS, "policy_score"),
    "accuracy": (EXAMPLES, "margin"),
    "logratio_margin": (EXAMPLES, "margin"),
    "rewards/margins": (EXAMPLES, "reward_margin"),
}
OUTCOME = (COMPLETIONS, "outcome")


def answer_column(metric: str) -> tuple[str, str]:
    """Return the file and the column.

    A metric that has no value of its own for each answer (kl, loss, a length-controlled win rate)
    is stood in for by the outcome against the reference.
    """
    judge, _, what = metric.rpartition("/")
    if judge and what in ("win_rate", "score"):
        return COMPLETIONS, f"{judge}/{'outcome' if what == 'win_rate' else 'score'}"
    return COLUMNS.get(metric, OUTCOME)


def compared_metric(metric: str) -> str:
    """Return the metric that is really compared: `metric`, or the win rate that stands in."""
    return "win_rate" if answer_column(metric) == OUTCOME else metric


def is_share(metric: str) -> bool:
    """Whether the values are shares, so that differences are percentage points."""
    return metric == "accuracy" or answer_column(metric)[1].endswith("outcome")
