"""Signs that a trial was optimised too far, with the evidence in words."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from dpo_ray.tracking.records import Metrics, RungReached
from dpo_ray.tracking.wording import with_interval

MORE_KL = 1.25
"""A rise of KL by less than a quarter is no sign of anything."""
LONGER = 1.25
"""So many times the reference's length is noticeably longer."""
MOST = 0.5
QUALITIES = {"win_rate": "win rate", "gold_reward": "gold reward"}


def flags(rungs: Sequence[RungReached]) -> list[str]:
    """Return a sentence for each sign that a trial's checkpoints show.

    KL that rises while win rate or gold reward does not (Gao et al. 2022, arXiv 2210.10760);
    chosen answers that lose probability, in most pairs together with the rejected ones; answers
    that grow ever longer.
    """
    return [*_bought_nothing(rungs), *_displaced(rungs), *_longer(rungs)]


def uneven(reference: Metrics) -> list[str]:
    """Warn where the reference is not even with a second sample of itself (the A/A check)."""
    low, high = reference.get("eval/win_rate_low"), reference.get("eval/win_rate_high")
    if low is None or high is None or low <= 0.5 <= high:
        return []
    return [
        "Warning: the reference does not draw with a second sample of itself, win rate "
        f"{with_interval(reference, 'win_rate')}: judge or decoding favours one side, or this "
        "is the one sample in twenty."
    ]


def _bought_nothing(rungs: Sequence[RungReached]) -> Iterator[str]:
    """Name the latest pair of checkpoints between which KL bought no quality."""
    for before, after in reversed(list(pairwise(rungs))):
        one, two = before.metrics, after.metrics
        if not _has(one, two, "kl") or two["eval/kl"] < MORE_KL * one["eval/kl"]:
            continue
        bought = [
            f"{word} went from {one[f'eval/{name}']:.2f} to {two[f'eval/{name}']:.2f}"
            for name, word in QUALITIES.items()
            if _has(one, two, name) and two[f"eval/{name}"] <= one[f"eval/{name}"]
        ]
        if bought:
            yield (
                f"KL rose from {one['eval/kl']:.2f} to {two['eval/kl']:.2f} nats between steps "
                f"{before.step} and {after.step} while {' and '.join(bought)}"
            )
            return


def _displaced(rungs: Sequence[RungReached]) -> Iterator[str]:
    first, last = (rungs[0], rungs[-1]) if rungs else (None, None)
    if first is None or last is None or not _has(first.metrics, last.metrics, "logratio/chosen"):
        return
    falls, both = (
        last.metrics["eval/logratio/chosen"],
        last.metrics["eval/displacement/both_falling"],
    )
    earlier = first.metrics["eval/logratio/chosen"] if first is not last else 0.0
    if falls < 0 and falls < earlier and both > MOST:
        yield (
            f"chosen answers lose probability: l(y_w) is {falls:.2f} nats at step {last.step} "
            f"({earlier:.2f} at step {first.step if first is not last else 0}), and in "
            f"{both:.0%} of pairs both answers fall"
        )


def _longer(rungs: Sequence[RungReached]) -> Iterator[str]:
    lengths = [rung.metrics.get("eval/length_ratio") for rung in rungs]
    ratios = [length for length in lengths if length is not None]
    grown = all(two >= one for one, two in pairwise(ratios))
    if len(ratios) > 1 and grown and ratios[-1] > LONGER:
        yield (
            f"answers grow: {ratios[0]:.2f} times the reference's length at step {rungs[0].step}, "
            f"{ratios[-1]:.2f} at step {rungs[-1].step}"
        )


def _has(one: Metrics, two: Metrics, name: str) -> bool:
    return f"eval/{name}" in one and f"eval/{name}" in two
