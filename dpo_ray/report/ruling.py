"""What came of the comparison with the champion, in numbers and in one sentence."""

from dataclasses import dataclass

from dpo_ray.evaluation.duel import Ruling
from dpo_ray.evaluation.paired import Estimate
from dpo_ray.report.confirmed import points
from dpo_ray.tracking.records import ChampionCompared, Metrics
from dpo_ray.tracking.trial_row import trial_name


@dataclass(frozen=True)
class Asked:
    """What both policies were asked: test prompts, each with so many draws."""

    prompts: int
    draws: int

    @property
    def sentence(self) -> str:
        """`on 292 unseen prompts, 3 draws of each`."""
        return f"on {self.prompts:,} unseen prompts, {self.draws} draws of each"


def ruling_metrics(ruling: Ruling) -> Metrics:
    """Return what was measured under `champion/`, each with `_low` and `_high`."""
    found: Metrics = {}
    for name in ("challenger", "champion", "gain"):
        each: Estimate | None = getattr(ruling, name)
        if each is not None:
            ends = {"": each.value, "_low": each.low, "_high": each.high}
            found |= {f"champion/{name}{end}": value for end, value in ends.items()}
    return found


def ruling_sentence(ruling: Ruling, compared: ChampionCompared, asked: Asked, problem: str) -> str:
    """Say what becomes of the alias, and why; `problem` is what is wrong with the challenger."""
    if ruling.challenger is None:
        name = trial_name(compared.trial)
        return f"the alias stays where it is: {name} failed {asked.sentence}: {problem}"
    if ruling.gain is None:
        return _first(ruling, ruling.challenger, compared, asked)
    name, version = trial_name(compared.trial), f"version {compared.version}"
    gain = f"{_between(ruling.gain, compared.metric)} {asked.sentence}"
    if ruling.promoted:
        return f"{name} beats the champion, {version}, by {gain}, and takes its place"
    if ruling.regressed:
        return f"{name} is clearly worse than the champion, {version}: {gain}"
    least = points(ruling.needed, compared.metric)
    return f"{version} stays the champion: the gain of {name}, {gain}, is not clearly above {least}"


def _first(ruling: Ruling, challenger: Estimate, compared: ChampionCompared, asked: Asked) -> str:
    name = trial_name(compared.trial)
    ends = f"[{challenger.low:.3g}, {challenger.high:.3g}]"
    score = f"{compared.metric} {challenger.value:.3g} {ends} {asked.sentence}"
    mark = f"above the reference's {ruling.needed:.3g}"
    if ruling.promoted:
        return f"{name} is the first champion: {score}, clearly {mark}"
    return f"there is still no champion: {name} has {score}, not clearly {mark}"


def _between(gain: Estimate, metric: str) -> str:
    """`+6.1 points [+2.0, +9.9]`."""
    unit = points(0.0, metric).removeprefix("0.0").removeprefix("0")
    ends = [points(end, metric, sign=True).removesuffix(unit) for end in (gain.low, gain.high)]
    return f"{points(gain.value, metric, sign=True)} [{', '.join(ends)}]"
