"""Implicit rewards of pairs: as a table for people, as a file for programs."""

import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import compute, csv, parquet
from rich import box
from rich.console import Console
from rich.table import Table

from dpo_ray.data.adapter_card import AdapterCard
from dpo_ray.output import say
from dpo_ray.tracking.wording import number

PROMPT = 48
"""Characters of a prompt that are shown."""


def print_scores(table: pa.Table, card: AdapterCard, shown: int, console: Console) -> None:
    """Print the first rows and what all of them amount to."""
    grid = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for heading in ("row", "r(chosen)", "r(rejected)", "margin", "weight"):
        grid.add_column(heading, justify="right", no_wrap=True)
    grid.add_column("prompt", no_wrap=True, overflow="ellipsis", max_width=PROMPT)
    for row in table.slice(0, shown).to_pylist():
        values = [row[name] for name in ("r_chosen", "r_rejected", "reward_margin")]
        grid.add_row(
            str(row["row"]),
            *(f"{value:+.3f}" for value in values),
            f"{row['weight']:.3f}",
            " ".join(row["prompt_text"].split()),
        )
    console.print(grid)
    if len(table) > shown:
        console.print(f"... and {len(table) - shown:,} more; --out keeps them all", style="dim")
    for line in summary(table, card):
        say(console, line)


def sums(table: pa.Table, card: AdapterCard) -> dict[str, Any]:
    """Return what all rows amount to; `right` is the share of pairs, ties count one half."""
    margin = table["margin"].to_numpy()
    return {
        "pairs": len(table),
        "beta": card.beta,
        "loss_type": card.loss_type if card.example_weight else None,
        "right": float(((margin > 0) + 0.5 * (margin == 0)).mean()),
        "ties": int((margin == 0).sum()),
        "mean_reward_margin": compute.mean(table["reward_margin"]).as_py(),
        "mean_margin_nats": float(margin.mean()),
        "mean_weight": float(table["weight"].to_numpy().mean()),
    }


def summary(table: pa.Table, card: AdapterCard) -> list[str]:
    """Return the sentences below the table."""
    found = sums(table, card)
    told = f" ({found['ties']:,} ties count one half)" if found["ties"] else ""
    loss = found["loss_type"] or "every pair weighs the same"
    return [
        f"{found['pairs']:,} pairs, beta {number(card.beta)} ({loss}): the chosen answer has the "
        f"higher reward in {found['right']:.1%}{told}",
        f"mean margin {found['mean_reward_margin']:+.3f} "
        f"({found['mean_margin_nats']:+.2f} nats before beta), "
        f"mean weight {found['mean_weight']:.3f}",
    ]


def write_scores(table: pa.Table, path: Path | None) -> None:
    """Write all rows, whole or not at all; JSON lines to stdout without a path."""
    if path is None:
        sys.stdout.write(_json_lines(table))
        return
    part = path.with_name(f".{path.name}.part")
    match path.suffix:
        case ".parquet":
            parquet.write_table(table, part)
        case ".csv":
            csv.write_csv(table, part)
        case _:
            part.write_text(_json_lines(table))
    part.replace(path)


def _json_lines(table: pa.Table) -> str:
    return str(table.to_pandas().to_json(orient="records", lines=True, force_ascii=False))
