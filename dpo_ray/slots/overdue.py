"""Whether a trial takes too long, or does nothing at all. Times are seconds of one clock."""

from dataclasses import dataclass
from typing import Literal

from dpo_ray.training.jobs import overran

LEAVE_S = 30.0
"""So long a trial whose time is over may take to leave by itself."""


@dataclass(frozen=True)
class Vitals:
    """What a slot knows of the job its workers have taken.

    Attributes:
        began: when they took it first.
        sign: when they last said anything.
        waiting: a rung waits for its verdict, so that it is not for the workers to say anything.
        told: when the job was told that its time is over, if it was.
        trial_s, silent_s: how long it may take, and be silent; None: for ever.
    """

    job_id: int
    began: float
    sign: float
    waiting: bool = False
    told: float | None = None
    trial_s: float | None = None
    silent_s: float | None = None


@dataclass(frozen=True)
class Overdue:
    """What is to be done about it, and why: `leave` asks the trial to go, `kill` its workers."""

    act: Literal["leave", "kill"]
    reason: str


def overdue(vitals: Vitals, now: float) -> Overdue | None:
    """Return what is to be done about a job that takes too long or is silent, or None.

    One rank of several that hangs leaves rank 0, which alone speaks, waiting in a collective: so
    the silence of any rank is the group's.
    """
    silent = 0.0 if vitals.waiting else now - vitals.sign
    if vitals.silent_s is not None and silent > vitals.silent_s:
        limit = f"budget.silent_minutes={vitals.silent_s / 60:g}"
        return Overdue("kill", f"hung: no sign of progress for {silent:.0f} s; {limit}")
    if vitals.told is not None:
        if now - vitals.told <= LEAVE_S:
            return None
        return Overdue("kill", overran(now - vitals.began, vitals.trial_s, ", nor to be told"))
    if vitals.trial_s is not None and now - vitals.began > vitals.trial_s:
        return Overdue("leave", overran(now - vitals.began, vitals.trial_s))
    return None
