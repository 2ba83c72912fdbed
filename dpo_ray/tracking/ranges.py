"""The ranges of a space as its journal has them: a parameter may have one for each branch."""

from collections.abc import Mapping
from typing import Any

from dpo_ray.tracking.records import Params

Range = dict[str, Any]
"""A parameter: `type` with `low`, `high` and `log`, or `choices`, or what it is tied to."""


def whole(parameter: Range | list[Range]) -> Range:
    """Return one range that holds those of all branches."""
    if isinstance(parameter, dict):
        return parameter
    first = parameter[0]
    if "choices" in first:
        found = [choice for branch in parameter for choice in branch.get("choices", [])]
        return {**first, "choices": list(dict.fromkeys(found)), "when": None}
    return {
        **first,
        "low": min(branch["low"] for branch in parameter),
        "high": max(branch["high"] for branch in parameter),
        "log": all(branch.get("log", False) for branch in parameter),
        "when": None,
    }


def of_configuration(
    parameters: Mapping[str, Range | list[Range]], params: Params
) -> dict[str, Range]:
    """Return the range each of a configuration's values was drawn from."""
    found = {}
    for name in params:
        known = parameters.get(name, {})
        branches = [known] if isinstance(known, dict) else known
        active = [each for each in branches if _is_active(each, params)]
        found[name] = active[0] if active else {}
    return found


def _is_active(branch: Range, params: Params) -> bool:
    when = branch.get("when") or {}
    return all(params.get(root) in choices for root, choices in when.items())
