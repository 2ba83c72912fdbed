"""Whether a new policy takes the place of the one that is served: a decision over their answers."""

from dataclasses import dataclass

import numpy as np

from dpo_ray.evaluation.paired import Estimate, Values, difference, estimate


@dataclass(frozen=True)
class Duel:
    """Two policies on the same test prompts.

    Attributes:
        challenger: the objective's value of each answer, (draws, prompts), NaN where not judged;
            None where the policy is beyond a limit of the evaluation.
        champion: likewise; None where nobody holds the place.
        reference: what the reference itself scores, which a first champion is held against.
    """

    challenger: Values | None
    champion: Values | None
    reference: float | None


@dataclass(frozen=True)
class Ruling:
    """What comes of it; an estimate is None where there was nothing to compare.

    Attributes:
        promoted: the challenger takes the place.
        regressed: the challenger is clearly worse than who holds it, by more than is borne.
        gain: challenger minus champion, paired by draw and prompt.
        needed: what `gain`, or of a first champion its own mean, had to lie above.
    """

    promoted: bool
    regressed: bool
    challenger: Estimate | None
    champion: Estimate | None
    gain: Estimate | None
    needed: float


def rule(duel: Duel, min_gain: float, max_loss: float) -> Ruling:
    """Promote what is clearly better than the champion: the gain's lower end is above `min_gain`.

    A regression is a gain whose upper end is below `-max_loss`.
    Where nobody holds the place, what is clearly better than the reference takes it. A policy
    beyond a limit of the evaluation takes no place.
    """
    champion = None if duel.champion is None else estimate(duel.champion)
    if duel.challenger is None:
        return Ruling(False, False, None, champion, None, min_gain)
    challenger = estimate(duel.challenger)
    if duel.champion is None:
        needed = 0.0 if duel.reference is None else duel.reference
        return Ruling(challenger.low > needed, False, challenger, None, None, needed)
    gain = _gain(duel.challenger, duel.champion)
    return Ruling(gain.low > min_gain, gain.high < -max_loss, challenger, champion, gain, min_gain)


def _gain(ours: Values, theirs: Values) -> Estimate:
    """Compare the draws that both have."""
    draws = min(len(ours), len(theirs))
    return difference(np.asarray(ours[:draws]), np.asarray(theirs[:draws]))
