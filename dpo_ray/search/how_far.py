"""How far the preparation is, as a line: counts, rate, remaining time."""

import time
from collections.abc import Callable, Sequence

from dpo_ray.tracking.wording import duration
from dpo_ray.training.jobs import ShardJob, Stage

UNITS: dict[Stage, str] = {
    "tokens": "rows",
    "scores": "pairs",
    "completions": "answers",
    "judged": "answers",
}


class HowFar:
    """Counts the shards of a group of stages. `clock` gives seconds."""

    def __init__(self, todo: Sequence[ShardJob], clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._began: float | None = None
        self._total = {job.stage: 0 for job in todo}
        self._done = dict(self._total)
        for job in todo:
            self._total[job.stage] += _size(job)

    def step(self, job: ShardJob) -> str:
        """Count a finished shard and return the line.

        Time counts from the first shard's end: before it the workers may have been warming up.
        """
        now = self._clock()
        if self._began is None:
            self._began, self._first = now, self.share
        self._done[job.stage] += _size(job)
        counts = [
            f"{stage} {self._done[stage]:,}/{total:,} {UNITS[stage]}"
            for stage, total in self._total.items()
        ]
        return ", ".join([*counts, *self._pace(now)])

    @property
    def share(self) -> float:
        """The part that is done, 0 to 1."""
        return sum(self._done.values()) / sum(self._total.values())

    def _pace(self, now: float) -> list[str]:
        gone, done = now - (self._began or now), self.share - self._first
        if gone < 1 or done <= 0 or self.share >= 1:
            return []
        rate = done * sum(self._total.values()) / gone
        left = (1 - self.share) * gone / done
        return [f"{rate:,.0f}/s", f"about {duration(left)} left"]


def _size(job: ShardJob) -> int:
    return job.shard.stop - job.shard.start
