"""`dpo-ray export NAME --out DIR`: the winner as a folder of its own, checked to be the same."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from dpo_ray.commands.exporting import Export, write_export
from dpo_ray.commands.finding import Name, state_of, sweep_folder
from dpo_ray.data.adapter_card import CARD, AdapterCard, read_card
from dpo_ray.errors import ConfigError
from dpo_ray.exits import errors_on_screen
from dpo_ray.output import AsJson, give_json, messages, results, say
from dpo_ray.report.saved import chosen, saved_policy
from dpo_ray.sweep import Store

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
        if dtype is not None and not merged:
            raise ConfigError("--dtype is of a merged model's weights, so it needs --merged")
        target = _free(out)
        folder = sweep_folder(store, name)
        state = state_of(folder)
        row = chosen(state, trial, step)
        source = saved_policy(row, folder)
        card = _card(source)
        kind: Kind = "model" if row.trial and row.trial.model else "adapter"
        if merged and kind == "adapter":
            kind, card = "merged", replace(card, dtype=dtype or card.dtype)
        facts = write_export(Export(state, row, folder, source, card, target, kind, str(out)))
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
        say(results(), line)
    if facts["needs"] is not None:
        needs = f"It opens only where its base model lies: {facts['needs']}"
        advice = "--merged makes a folder that needs nothing else."
        say(messages(), f"{needs}; {advice}")
