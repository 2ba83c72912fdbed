"""How to get the same sweep again: command, versions, hashes, seeds, and the whole plan."""

import shlex
from collections.abc import Mapping
from typing import Any

from dpo_ray.config.redaction import redact_text
from dpo_ray.report.page.material import Material
from dpo_ray.report.page.rooms import Cell, Fold, Room, Row, Table
from dpo_ray.tracking.mlflow_texts import plan_yaml
from dpo_ray.tracking.state import SweepState


def again(material: Material) -> Room | None:
    """Return what it takes; None before a plan."""
    state = material.state
    if state.plan is None:
        return None
    typed = shlex.join(state.plan.command)
    words = (
        "The command as it was typed, and the plan that came of it."
        if typed
        else "The journal does not know what was typed; this asks for the same files and name. "
        "Overrides stand in the plan."
    )
    return Room(
        id="again",
        title="How to reproduce it",
        words=[words],
        tables=[_facts(state)],
        folds=[
            Fold("Command", typed or _command(state.plan.plan), is_open=True),
            Fold("The resolved plan (YAML)", plan_yaml(state)),
        ],
    )


def _command(plan: Mapping[str, Any]) -> str:
    words = ["dpo-ray", "sweep", str(plan.get("space_path", "SPACE.yaml"))]
    for option, key in (("--sweep", "sweep_path"), ("--store", "store"), ("--name", "name")):
        words += [option, str(plan[key])] if key in plan else []
    return shlex.join(words)


def _facts(state: SweepState) -> Table:
    assert state.plan is not None
    sweep = state.plan.plan.get("sweep", {})
    seeds = {"search": sweep.get("search", {}), "training": sweep.get("training", {})}
    facts = {f"seed of the {name}": each["seed"] for name, each in seeds.items() if "seed" in each}
    if state.confirmation is not None:
        facts["seeds of the confirmation"] = ", ".join(map(str, state.confirmation.seeds))
    model = sweep.get("model", {})
    if "name" in model:
        at = f" at {model['revision']}" if model.get("revision") else ""
        facts["model"] = f"{redact_text(str(model['name']))}{at}"
    if state.plan.project is not None:
        changed = ", with changes" if state.plan.project.dirty else ""
        facts["commit of the project"] = f"{state.plan.project.commit}{changed}"
    hashes = state.prepared.hashes if state.prepared else {}
    facts |= {f"hash of {name.replace('_', ' ')}": value for name, value in hashes.items()}
    facts |= {f"version of {name}": value for name, value in state.plan.versions.items()}
    rows = [Row([Cell(name), Cell(str(value))]) for name, value in facts.items()]
    return Table("Seeds, hashes, versions", ["", ""], rows)
