"""Who is served now, as far as a sweep can have it answer beside its own policy."""

from dataclasses import dataclass
from pathlib import Path

from dpo_ray.config.redaction import redact_text
from dpo_ray.plan import Plan
from dpo_ray.tracking.champion import Version
from dpo_ray.tracking.mlflow_holder import bring_adapter, holder
from dpo_ray.tracking.mlflow_server import default_uri
from dpo_ray.tracking.state import SweepState


@dataclass(frozen=True)
class Opponent:
    """Who is served now: nobody, a version with its adapter, or why that cannot be compared."""

    version: Version | None = None
    adapter: Path | None = None
    refused: str | None = None


def opponent_of(plan: Plan, name: str, state: SweepState) -> Opponent:
    """Ask the registry who is the champion of the model `name`, and bring its adapter here.

    Nothing is raised: a registry that cannot be asked is a reason for the alias to stay.
    """
    uri = plan.sweep.tracking.uri or default_uri(plan.store)
    try:
        held = holder(uri, name)
        if held is None:
            return Opponent()
        refused = _incomparable(held, state)
        adapter = None if refused else bring_adapter(uri, name, held, plan.store)
    except Exception as error:  # whatever a registry's library raises is no reason to fail
        text = redact_text(str(error)).strip().splitlines() or [type(error).__name__]
        return Opponent(refused=f"the registry cannot be asked: {text[0]}")
    return Opponent(held, adapter, refused)


def _incomparable(held: Version, state: SweepState) -> str | None:
    """Say why the champion cannot answer for itself here; None where it can."""
    weights = state.prepared.hashes.get("weights") if state.prepared else None
    if held.weights == weights:
        return None
    what = "another base model" if held.weights else "a base model that nobody noted"
    return f"version {held.number} belongs to {what}; dpo-ray promote decides by hand"
