"""What the mirror writes into MLflow in words: parameters, tags, YAML files."""

import hashlib
import io
import re
from collections.abc import Mapping
from math import log10
from typing import Any

from ruamel.yaml import YAML

from dpo_ray.config.redaction import redact
from dpo_ray.tracking.records import (
    ChampionCompared,
    Confirmed,
    ReferenceEnded,
    SweepPlanned,
    TrialEnded,
)
from dpo_ray.tracking.state import SweepState
from dpo_ray.tracking.trial_row import TrialRow, trial_name

NIGHT = re.compile(r"-(\d{8}T\d{4}Z)$")
"""The end of a scheduled sweep's name: its night."""
CONTENT = ("data", "weights", "model_revision")
"""Hashes by which runs of several sweeps are told apart or put together."""


def journal_id(record: SweepPlanned) -> str:
    """Tell a sweep from another of the same name: another store's, or an older journal's."""
    origin = f"{record.host}:{record.pid}:{record.time!r}"
    return hashlib.sha256(origin.encode()).hexdigest()[:12]


def searched_params(trial: TrialRow, parameters: dict[str, dict[str, Any]]) -> dict[str, str]:
    """The searched values, exact, with `log10.NAME` beside each one whose scale is logarithmic.

    Only these: MLflow's charts take every parameter for an axis, and draw it linearly.
    """
    found: dict[str, str] = {}
    for name, value in trial.params.items():
        found[name] = str(value)
        axis = axis_name(name, parameters.get(name, {}))
        if axis != name and isinstance(value, float | int) and value > 0:
            found[axis] = f"{log10(value):.4f}"
    return found


def axis_name(name: str, parameter: Mapping[str, Any]) -> str:
    """Return the parameter that a chart draws: `log10.NAME` where the scale is logarithmic."""
    return f"log10.{name}" if name == "beta" or parameter.get("log") else name


def sweep_tags(state: SweepState) -> dict[str, str]:
    """What every run of a sweep carries, so that runs of many sweeps can be searched and grouped:
    whose it is and of which night, the project's commit, the hashes of data and model."""
    plan, prepared = state.plan, state.prepared
    if plan is None:
        return {}
    tags = {
        "sweep": plan.name,
        "mlflow.source.name": "dpo-ray sweep",
        "mlflow.source.type": "LOCAL",
    }
    if plan.project is not None:
        commit, dirty = plan.project.commit, str(plan.project.dirty).lower()
        tags |= {"mlflow.source.git.commit": commit, "git.dirty": dirty}
    night = NIGHT.search(plan.name)
    if night is not None and plan.plan.get("sweep", {}).get("schedule"):
        tags["night"] = night[1]
    hashes = prepared.hashes if prepared else {}
    return tags | {f"hash.{name}": hashes[name] for name in CONTENT if name in hashes}


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


def end_tags(record: TrialEnded | ReferenceEnded, reason: str) -> dict[str, str]:
    """Say how a training ended, in the run's note as well: MLflow shows failed and killed runs
    alike, and stopped ones as finished.

    A fully trained model is a tag: its weights would be gigabytes for every trial.
    """
    told = f"**{record.state}:** {reason}"
    tags = {"trial.state": record.state, "trial.reason": reason, "mlflow.note.content": told}
    return tags | ({"trial.model": record.model} if record.model is not None else {})


def verdict_tags(record: Confirmed) -> dict[str, str]:
    """Say what the confirmation found."""
    champion = "none" if record.champion is None else str(record.champion)
    return {"confirm.verdict": record.verdict, "confirm.champion": champion}


def champion_tags(record: ChampionCompared) -> dict[str, str]:
    """Say how the confirmed policy stands beside the champion."""
    return {
        "champion.model": record.model,
        "champion.version": record.version or "none",
        "champion.promoted": str(record.promoted).lower(),
        "champion.regressed": str(record.regressed).lower(),
        "champion.reason": record.reason,
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
