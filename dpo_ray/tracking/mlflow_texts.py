"""What the mirror writes into MLflow in words: parameters, tags, YAML files."""

import io
from collections.abc import Mapping
from math import log10
from typing import Any

from ruamel.yaml import YAML

from dpo_ray.config.redaction import redact
from dpo_ray.tracking.state import SweepState
from dpo_ray.tracking.trial_row import TrialRow, trial_name


def searched_params(trial: TrialRow, parameters: dict[str, dict[str, Any]]) -> dict[str, str]:
    """The searched values, exact, with `log10.NAME` beside each one whose scale is logarithmic.

    Only these: MLflow's charts take every parameter for an axis, and draw it linearly.
    """
    found: dict[str, str] = {}
    for name, value in trial.params.items():
        found[name] = str(value)
        logarithmic = name == "beta" or parameters.get(name, {}).get("log", False)
        if logarithmic and isinstance(value, float) and value > 0:
            found[f"log10.{name}"] = f"{log10(value):.4f}"
    return found


def stage_tags(state: SweepState, trial: TrialRow) -> dict[str, str]:
    """Tell the search's trials from the confirmation's, and what the latter try again."""
    if trial.confirms is None or state.confirmation is None:
        return {"stage": "search"}
    tried = state.confirmation.candidates[trial.confirms]
    return {
        "stage": "confirmation",
        "confirm.of": trial_name(tried.trial),
        "confirm.step": str(tried.step),
        "confirm.seed": str(trial.seed),
        "confirm.default": str(tried.is_default).lower(),
    }


def plan_yaml(state: SweepState) -> str:
    """The resolved plan as people would write it, without its secrets."""
    return _yaml(state.plan.plan if state.plan else {})


def sft_yaml(state: SweepState) -> str:
    """How the reference is fine-tuned: `reference.sft`, and what it was used on."""
    row = state.sft
    if row is None:
        return ""
    texts = {"used": row.texts, "cut": row.cut, "left_out": row.left_out}
    facts = {"model": row.base, "texts": texts, "total_steps": row.total_steps}
    return _yaml(facts | {"settings": row.settings})


def _yaml(facts: Mapping[str, Any]) -> str:
    text = io.StringIO()
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.dump(redact(facts), text)
    return text.getvalue()
