"""`dpo-ray score ADAPTER PAIRS`: the trained model as the reward model that DPO makes of it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dpo_ray.commands.quieting import quiet_libraries
from dpo_ray.config.data import DataConfig
from dpo_ray.errors import ConfigError, DataError
from dpo_ray.exits import errors_on_screen
from dpo_ray.output import AsJson, counting, give_json, messages, results, say

if TYPE_CHECKING:
    import pyarrow as pa

    from dpo_ray.data.adapter_card import AdapterCard

HELP = """Score preference pairs with the reward a policy implies.

r(x, y) = beta * (log-probability under the policy - under its reference). For each pair: the
reward of the chosen and of the rejected answer, their margin, and the weight that the pair has
in DPO's gradient, which is large where the reward is wrong about it.

ADAPTER is what a trial saved: its folder, its adapter or model, or one of its checkpoints.
PAIRS is anything that data.source may name: a JSONL, JSON, CSV or Parquet file, a saved folder, a
URL, `embedded`.

\b
Examples:
  dpo-ray score store/sweeps/beta-1a2b3c4d/t10 my_pairs.jsonl
  dpo-ray score store/sweeps/beta-1a2b3c4d/t10/checkpoints/step-00030 embedded --heaviest
  dpo-ray score t10/adapter my_pairs.jsonl --out scores.parquet
  dpo-ray score my_adapter pairs.jsonl --reference my_model --beta 0.1
  dpo-ray score t10 my_pairs.jsonl --out - | jq .margin
  dpo-ray score t10 my_pairs.jsonl --json | jq .right

\b
Exit codes: 0 done; 2 bad adapter or pairs.
"""
SHOWN = 20


def score(
    adapter: Annotated[Path, typer.Argument(help="Where a trial saved its policy.")],
    pairs: Annotated[str, typer.Argument(help="Where the preference pairs are.")],
    out: Annotated[
        str | None,
        typer.Option(help="A .parquet, .csv or .jsonl file for all rows; - for JSON lines here."),
    ] = None,
    heaviest: Annotated[
        bool, typer.Option("--heaviest", help="The pairs of most weight first: most wrong first.")
    ] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Read only so many pairs.")] = None,
    beta: Annotated[
        float | None,
        typer.Option(min=0, help="Read the policy with another beta.", show_default="its own"),
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(help="Folder of the reference model.", show_default="the trial's own"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run the command; the text of --help stands in HELP."""
    with errors_on_screen():
        target = None if out is None else _target(out)
        if as_json and target == "-":
            raise ConfigError("--json gives the sums and --out - the rows: stdout has room for one")
        policy, card = _policy(adapter, beta, reference)
        rows = _rows(pairs, limit)
        with counting() as bar:
            # Every pair is scored by the policy and by its reference.
            task = bar.add_task(f"Scoring {len(rows):,} pairs, twice", total=2 * len(rows))
            from dpo_ray.training.implicit_reward import implicit_rewards

            quiet_libraries()
            table = implicit_rewards(
                policy, card, rows, lambda done, total: bar.update(task, completed=done)
            )
        if heaviest:
            order = [("weight", "descending"), ("margin", "ascending"), ("row", "ascending")]
            table = table.sort_by(order)
        if as_json:
            _write(table, target)
            from dpo_ray.report.scores import sums

            give_json({"policy": policy, "out": target, **sums(table, card)})
        else:
            _give(table, card, target)


def _target(out: str) -> str | Path:
    """Return where the rows go, refused before anything is loaded."""
    path = Path(out)
    if out == "-":
        return out
    if path.suffix not in (".parquet", ".csv", ".jsonl"):
        raise ConfigError(f"--out must end with .parquet, .csv or .jsonl, or be -, got {out}")
    if not path.absolute().parent.is_dir():
        raise ConfigError(f"--out {out}: there is no folder {path.absolute().parent}")
    return path


def _policy(folder: Path, beta: float | None, reference: Path | None) -> tuple[Path, "AdapterCard"]:
    """Find the policy and its card; what the command line says goes before the card."""
    from dataclasses import replace

    from dpo_ray.data.adapter_card import CARD, AdapterCard, read_card

    places = [folder, folder / "adapter", folder / "model"]
    kinds = ("adapter_config.json", "config.json")
    found = [place for place in places if any((place / kind).is_file() for kind in kinds)]
    if not found:
        raise ConfigError(f"{folder} is neither an adapter nor a model, nor a trial that saved one")
    card = read_card(found[0])
    if card is not None:
        model = card.model if reference is None else str(reference)
        card = replace(card, beta=card.beta if beta is None else beta, model=model)
    elif beta is None or reference is None:
        raise ConfigError(f"{found[0]} has no {CARD}: say --reference and --beta")
    else:
        card = AdapterCard.plain(str(reference), beta)
    if not (Path(card.model) / "config.json").is_file():
        raise ConfigError(
            f"the reference {card.model} is not there; say with --reference where it is now"
        )
    return found[0], card


def _rows(source: str, limit: int | None) -> list[dict[str, Any]]:
    """Read and check all pairs, in their own order."""
    import tempfile

    from dpo_ray.data.pairs import read_pairs
    from dpo_ray.data.rows import load_rows, row_counts

    data = DataConfig.model_validate(
        {
            "source": source,
            "limit": limit,
            "warnings": {"identical_pair": "keep", "duplicate_pair": "keep"},
        }
    )
    with tempfile.TemporaryDirectory(prefix="dpo-ray-") as scratch:
        folder = read_pairs(data, Path(scratch)).folder
        rows = [row for split in row_counts(folder) for row in load_rows(folder, split).to_list()]
    if not rows:
        raise DataError(f"{source}: there are no pairs")
    return sorted(rows, key=lambda row: int(row["row"]))


def _give(table: "pa.Table", card: "AdapterCard", target: str | Path | None) -> None:
    from dpo_ray.report.scores import print_scores, write_scores

    if target == "-":
        write_scores(table, None)
        return
    print_scores(table, card, SHOWN, results())
    _write(table, target)


def _write(table: "pa.Table", target: str | Path | None) -> None:
    from dpo_ray.report.scores import write_scores

    if isinstance(target, Path):
        write_scores(table, target)
        say(messages(), f"All rows: {target}")
