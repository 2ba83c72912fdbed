"""What sweeps asked differently, and what keeps their numbers from being compared."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dpo_ray.config.redaction import redact
from dpo_ray.tracking.state import SweepState
from dpo_ray.tracking.wording import number

CONTENT = {
    "data": "the preference pairs",
    "tokens": "how the pairs are tokenized",
    "scores": "the reference model",
    "completions": "the validation prompts or the reference's answers to them",
    "judged": "the judge",
    "test_completions": "the test prompts or the reference's answers to them",
    "test_judged": "the judge of the test prompts",
}
"""What a sweep's numbers hang on, by the name of its hash."""
UNASKED = ("tracking", "cluster", "resources", "budget")
"""Sections of a sweep that change what it costs and where it is shown, not what it finds."""


@dataclass(frozen=True)
class Difference:
    """A setting, and its value in each sweep as text, `nothing` where it is not known."""

    key: str
    values: Sequence[str]


def differences(states: Sequence[SweepState]) -> list[Difference]:
    """Return every setting of space and sweep whose value is not the same in all."""
    flat = [dict(_flat(_asked(state))) for state in states]
    keys = list(dict.fromkeys(key for each in flat for key in each))
    found = []
    for key in keys:
        values = [_text(each[key]) if key in each else "nothing" for each in flat]
        if len(set(values)) > 1:
            found.append(Difference(key, values))
    return found


def _asked(state: SweepState) -> dict[str, Any]:
    plan = state.plan.plan if state.plan else {}
    sweep = {key: each for key, each in plan.get("sweep", {}).items() if key not in UNASKED}
    return dict(redact({"space": plan.get("space", {}).get("parameters", {}), "sweep": sweep}))


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """A list counts as one value, and so does a searched parameter's range."""
    if isinstance(value, Mapping) and value and not path.startswith("space."):
        for key, each in value.items():
            yield from _flat(each, f"{path}.{key}" if path else key)
    else:
        yield path, value


def _text(value: Any) -> str:
    if isinstance(value, Mapping) and "choices" in value:
        return ", ".join(number(each) for each in value["choices"])
    if isinstance(value, Mapping) and "low" in value:
        log = ", log" if value.get("log") else ""
        return f"{number(value['low'])} to {number(value['high'])}{log}"
    if isinstance(value, list):
        return ", ".join(_text(each) for each in value) or "none"
    return "not set" if value is None else number(value)


def unlike(states: Sequence[SweepState]) -> list[str]:
    """Say in words what keeps the sweeps' numbers from being compared; empty if nothing does."""
    hashes = [state.prepared.hashes if state.prepared else {} for state in states]
    found = []
    if not all(hashes):
        found.append("not every sweep is prepared, so nobody knows what it was measured on")
    for key, what in CONTENT.items():
        known = {each[key] for each in hashes if key in each}
        if len(known) > 1:
            found.append(f"{what} differ{'' if what.endswith(('pairs', 'them')) else 's'}")
    metrics = {state.objective for state in states}
    if len(metrics) > 1:
        found.append(f"the objectives differ: {', '.join(sorted(each[0] for each in metrics))}")
    return found
