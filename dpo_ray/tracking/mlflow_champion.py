"""What a sweep recommends, as a version in MLflow's model registry."""

from pathlib import Path

from dpo_ray.data.adapter_card import AdapterCard, read_card
from dpo_ray.errors import DataError
from dpo_ray.tracking.champion import CHALLENGER, CHAMPION, Version, challenges, coronation
from dpo_ray.tracking.mlflow_book import RunBook
from dpo_ray.tracking.mlflow_card import card, evaluation_tags
from dpo_ray.tracking.mlflow_registry import SWEEP, WEIGHTS, Registry
from dpo_ray.tracking.records import PolicyRecommended
from dpo_ray.tracking.state import SweepState

NOT_REGISTERED = "registry.skipped"
MOVED = "the alias champion was moved by others after this sweep had compared itself with it"
WHOLE = (
    "the recommended policy is a whole model, whose weights are not uploaded: they lie in {}; "
    "register that folder by hand where they are to be served from"
)


def register(
    book: RunBook, registry: Registry, state: SweepState, chosen: PolicyRecommended, journal: str
) -> Version | None:
    """Register the policy as the challenger, unless a later sweep's is that already.

    The adapter is an artifact of its trial's run and the version points there: whoever can read
    the run can load the version. None for a whole model, with the reason as a tag.
    """
    if chosen.adapter is None:
        book.tag(None, {NOT_REGISTERED: WHOLE.format(chosen.model)})
        return None
    place = _in_artifacts(book, state, chosen, chosen.adapter)
    version = registry.add(
        Version(
            number="",
            sweep=journal,
            began=state.plan.time if state.plan else 0.0,
            run=book.runs[chosen.trial],
            source=f"{book.artifact_uri(chosen.trial)}/{place}",
        )
    )
    tags = {SWEEP: state.plan.name if state.plan else "", "trial": state.row(chosen.trial).name}
    tags |= {"step": str(chosen.step), **_weights(state), **evaluation_tags(state, chosen)}
    uri = f"models:/{registry.name}/{version.number}"
    registry.tell(version.number, card(state, chosen, _card_beside(chosen.adapter), uri), tags)
    if challenges(registry.read(), version):
        registry.give_alias(CHALLENGER, version.number)
    _crown(book, registry, state, version)
    book.tag(None, {"registered.model": registry.name, "registered.version": version.number})
    return version


def _crown(book: RunBook, registry: Registry, state: SweepState, version: Version) -> None:
    """Move the alias `champion` where the sweep has decided so, and nobody has moved it since."""
    compared = state.champion
    if compared is None:
        return
    told = {"champion.reason": compared.reason, "champion.promoted": str(compared.promoted).lower()}
    registry.tag(version.number, told)
    if not compared.promoted:
        return
    found = coronation(registry.read(), version, compared.version)
    if found is None:
        book.tag(None, {"champion.skipped": MOVED})
    elif found.moves:
        registry.give_alias(CHAMPION, version.number)


def _weights(state: SweepState) -> dict[str, str]:
    weights = state.prepared.hashes.get("weights") if state.prepared else None
    return {} if weights is None else {WEIGHTS: weights}


def _in_artifacts(book: RunBook, state: SweepState, chosen: PolicyRecommended, folder: str) -> str:
    """Return where among the artifacts of its run the adapter lies; an earlier checkpoint's is
    brought there, since of a trial only its last state is kept with the run."""
    if folder == state.row(chosen.trial).adapter:
        return "adapter"
    place = f"checkpoints/{Path(folder).parent.name}/{Path(folder).name}"
    book.upload_once(chosen.trial, folder, place, tag="checkpoint.adapter")
    return place


def _card_beside(folder: str) -> AdapterCard | None:
    try:
        return read_card(Path(folder))
    except (DataError, OSError):
        return None
