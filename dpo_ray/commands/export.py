"""`dpo-ray export NAME --out DIR`: the winner as a folder of its own, checked to be the same."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from dpo_ray.commands.finding import Name, state_of, sweep_folder
from dpo_ray.commands.output import AsJson, give_json, messages, results
from dpo_ray.commands.prompts import sweep_prompts
from dpo_ray.commands.quieting import quiet_libraries
from dpo_ray.data.adapter_card import CARD, AdapterCard, read_card
from dpo_ray.errors import ConfigError, ExportDiffers
from dpo_ray.exits import errors_on_screen
from dpo_ray.report.card import base_model, model_card
from dpo_ray.report.ranking import RankedRow
from dpo_ray.report.saved import chosen, saved_policy
from dpo_ray.sweep import Store
from dpo_ray.tracking.state import SweepState

if TYPE_CHECKING:
    from dpo_ray.training.exporting import Kind

HELP = """Export the recommended adapter, or a model it is merged into.

DIR gets the weights as safetensors, the tokenizer, and a card (README.md) with where they come
from, what they are worth and the lines that load them. Before DIR appears, the export is loaded
back by those lines, and must answer prompts of the sweep's data, greedily, with the very tokens
that the trained policy answers with.

NAME is a sweep of the store, or its folder. A model whose weights were all trained is exported
whole.

\b
Examples:
  dpo-ray export beta-1a2b3c4d --out my-adapter
  dpo-ray export beta-1a2b3c4d --out my-model --merged
  dpo-ray export beta-1a2b3c4d --out other --trial t04 --step 30
  dpo-ray export beta-1a2b3c4d --out my-adapter --json | jq .folder

\b
Exit codes: 0 done; 2 no such sweep, trial or checkpoint, or DIR is taken; 3 the export does not
write what the trained policy writes, and was removed.
"""
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

    @property
    def hub(self) -> tuple[str, str] | None:
        """Id and commit of the base where a hub has it; a fine-tuned reference is nowhere else."""
        name, revision = base_model(self.state)
        return None if revision is None or self.state.sft else (name, revision)


def export(
    name: Name,
    out: Annotated[Path, typer.Option(metavar="DIR", help="A new or empty folder.")],
    merged: Annotated[
        bool, typer.Option("--merged", help="A whole model with the adapter merged in.")
    ] = False,
    trial: Annotated[
        str | None,
        typer.Option(metavar="tNN", help="Another trial.", show_default="what is recommended"),
    ] = None,
    step: Annotated[
        int | None,
        typer.Option(min=1, help="Another checkpoint.", show_default="the trial's best"),
    ] = None,
    dtype: Annotated[
        Literal["float32", "bfloat16"] | None,
        typer.Option(help="Of a merged model's weights.", show_default="the sweep's"),
    ] = None,
    store: Store = Path("store"),
    as_json: AsJson = False,
) -> None:
    """Run the command; the text of --help stands in HELP."""
    with errors_on_screen():
        target = _free(out)
        folder = sweep_folder(store, name)
        state = state_of(folder)
        row = chosen(state, trial, step)
        source = saved_policy(row, folder)
        card = _card(source)
        kind: Kind = "model" if row.trial and row.trial.model else "adapter"
        if merged and kind == "adapter":
            kind, card = "merged", replace(card, dtype=dtype or card.dtype)
        facts = _write(Export(state, row, folder, source, card, target, kind))
        give_json(facts) if as_json else _tell(facts)


def _free(out: Path) -> Path:
    target = out.expanduser().absolute()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigError(f"--out {out}: must be a new or an empty folder, and this one is taken")
    return target


def _card(source: Path) -> AdapterCard:
    card = read_card(source)
    if card is None:
        raise ConfigError(f"{source} has no {CARD}, so its base model is unknown")
    if not (Path(card.model) / "config.json").is_file():
        raise ConfigError(f"{source} needs its base model, and {card.model} is not there")
    return card


def _write(export: Export) -> dict[str, Any]:
    """Write beside the target, compare, rename; nothing stays of what does not pass."""
    building = export.target.with_name(f".{export.target.name}.part")
    try:
        with messages().status("Loading") as status:
            quiet_libraries()
            from dpo_ray.training.exporting import write_policy

            shutil.rmtree(building, ignore_errors=True)
            status.update(f"Writing {export.target}")
            write_policy(export.source, export.card, building, export.kind, export.hub)
            card = model_card(export.state, export.row, export.kind, str(export.target))
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


def _tell(facts: dict[str, Any]) -> None:
    what = "merged model" if facts["kind"] == "merged" else facts["kind"]
    lines = [
        f"{facts['folder']}: the {what} of {facts['sweep']}, {facts['trial']} at step "
        f"{facts['step']}, {facts['bytes'] / 1e6:.1f} MB",
        f"Loaded back, it answers {facts['equal']} of {facts['compared']} prompts with the tokens "
        f"of the trained policy (greedy, up to {facts['new_tokens']} tokens).",
        "README.md says where it comes from, what it is worth and how it is loaded.",
    ]
    for line in lines:
        results().print(line, markup=False, highlight=False, soft_wrap=True)
    if facts["needs"] is not None:
        needs = f"It opens only where its base model lies: {facts['needs']}"
        advice = "--merged makes a folder that needs nothing else."
        messages().print(f"{needs}; {advice}", markup=False, highlight=False, soft_wrap=True)
