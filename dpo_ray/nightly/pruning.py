"""Removing what old nights need not keep, once the registry has said who is the champion."""

from typing import Any

from dpo_ray.config.redaction import redact_text
from dpo_ray.errors import TrackingUnreachable
from dpo_ray.nightly.ledger import Ledger
from dpo_ray.nightly.opening import Schedule
from dpo_ray.nightly.retention import Going, former_champions, going, old_nights, remove
from dpo_ray.tracking.champion import Version
from dpo_ray.tracking.mlflow_holder import brought, holder
from dpo_ray.tracking.mlflow_registry import registered_name
from dpo_ray.tracking.mlflow_server import default_uri


def prune(schedule: Schedule, dry_run: bool = False) -> tuple[Going, int]:
    """Remove what nights before the last `schedule.keep` need not keep; return it, and its bytes.

    Nothing goes where schedule.keep is not set.

    Raises:
        TrackingUnreachable: nobody says who is the champion, so nothing goes.
    """
    keep = schedule.timing.keep
    if keep is None:
        return Going((), (), ()), 0
    sweep, store = schedule.plan.sweep, schedule.store
    name = registered_name(schedule.plan.to_dict()["sweep"], sweep.tracking.experiment)
    champion = _champion(sweep.tracking.uri or default_uri(store), name)
    folder = None if champion is None else brought(name, champion)
    old = old_nights(Ledger(schedule.folder).memory(), keep)
    identity = None if champion is None else champion.sweep
    found = going(store, old, identity, former_champions(store, name, folder))
    freed = found.bytes
    if not dry_run:
        remove(found)
    return found, freed


def pruned_sentence(found: Going, freed: int, dry_run: bool) -> str:
    """Say what went, or would go."""
    if not found.folders and not found.cached:
        return "nothing to remove"
    would = "would remove" if dry_run else "removed"
    nights = ", ".join(found.nights) or "no night"
    entries = f"{len(found.cached)} cache entr{'y' if len(found.cached) == 1 else 'ies'}"
    return f"{would} the weights of {nights} and {entries}: {freed / 1e6:.1f} MB"


def pruned_facts(found: Going, freed: int, dry_run: bool) -> dict[str, Any]:
    """Say the same for machines."""
    return {
        "nights": list(found.nights),
        "folders": list(found.folders),
        "cache": [entry.path.name for entry in found.cached],
        "bytes": freed,
        "removed": not dry_run,
    }


def _champion(uri: str, name: str) -> Version | None:
    try:
        return holder(uri, name)
    except TrackingUnreachable:
        raise
    except Exception as error:  # whatever MLflow raises
        text = redact_text(str(error)).strip().splitlines() or [type(error).__name__]
        raise TrackingUnreachable(
            f"the registry does not say who is the champion of {name}, so nothing is removed: "
            f"{text[0]}"
        ) from error
