"""An export is written beside its place, compared with what it is of, and only then moved."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dpo_ray.commands.prompts import sweep_prompts
from dpo_ray.commands.quieting import quiet_libraries
from dpo_ray.data.adapter_card import AdapterCard
from dpo_ray.errors import ExportDiffers
from dpo_ray.output import messages
from dpo_ray.report.card import base_model, model_card
from dpo_ray.report.ranking import RankedRow
from dpo_ray.tracking.state import SweepState

if TYPE_CHECKING:
    from dpo_ray.training.exporting import Kind

PROMPTS = 16


@dataclass(frozen=True)
class Export:
    """What is written where."""

    state: SweepState
    row: RankedRow
    sweep: Path
    source: Path
    card: AdapterCard
    target: Path
    kind: "Kind"
    named: str
    """The target as the person named it, for the card's own lines."""

    @property
    def hub(self) -> tuple[str, str] | None:
        """Id and commit of the base where a hub has it; a fine-tuned reference is nowhere else."""
        name, revision = base_model(self.state)
        return None if revision is None or self.state.sft else (name, revision)


def write_export(export: Export) -> dict[str, Any]:
    """Write beside the target, compare, rename; nothing stays of what does not pass."""
    building = export.target.with_name(f".{export.target.name}.part")
    try:
        with messages().status("Loading") as status:
            quiet_libraries()
            from dpo_ray.training.exporting import write_policy

            shutil.rmtree(building, ignore_errors=True)
            status.update(f"Writing {export.target}")
            write_policy(export.source, export.card, building, export.kind, export.hub)
            dtype = export.card.dtype
            card = model_card(export.state, export.row, export.kind, export.named, dtype)
            (building / "README.md").write_text(card)
            compared = _compare(export, building, status.update)
        building.rename(export.target)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return _facts(export) | compared


def _compare(export: Export, building: Path, say: Callable[[str], None]) -> dict[str, int]:
    """Have both answer the same prompts.

    Raises:
        ExportDiffers: an answer differs in a token.
    """
    from dpo_ray.training.exporting import NEW_TOKENS, answers_as_loaded, greedy_answers, texts_of

    card = export.card
    prompts = sweep_prompts(export.state, export.sweep, card, PROMPTS)
    say(f"The trained policy answers {len(prompts)} prompts")
    own = greedy_answers(export.source, card, prompts, NEW_TOKENS)
    say(f"The export answers {len(prompts)} prompts")
    others = answers_as_loaded(building, card, export.kind, prompts, NEW_TOKENS)
    different = [pair for pair in zip(own, others, strict=True) if pair[0] != pair[1]]
    if different:
        one, two = texts_of(Path(card.model), different[0], card.trust_remote_code)
        raise ExportDiffers(
            f"{len(different)} of {len(prompts)} greedy answers of the export differ from the "
            f"trained policy's, so it was removed; the first says {two!r} instead of {one!r}"
            + _advice(export)
        )
    return {"compared": len(prompts), "equal": len(prompts), "new_tokens": NEW_TOKENS}


def _advice(export: Export) -> str:
    if export.kind == "merged" and export.card.dtype != "float32":
        return "; rounding to bfloat16 did it, and --dtype float32 keeps the merged weights exact"
    return ""


def _facts(export: Export) -> dict[str, Any]:
    files = [file for file in sorted(export.target.rglob("*")) if file.is_file()]
    return {
        "sweep": export.state.plan.name if export.state.plan else "",
        "trial": export.row.name,
        "step": export.row.step,
        "kind": export.kind,
        "folder": export.target,
        "from": export.source,
        "base_model": base_model(export.state)[0],
        "needs": export.card.model if export.kind == "adapter" and export.hub is None else None,
        "files": [str(file.relative_to(export.target)) for file in files],
        "bytes": sum(file.stat().st_size for file in files),
    }
