"""`python -m dpo_ray.demo`: build the toy language from nothing and prove that it teaches."""

from pathlib import Path
from time import monotonic
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from dpo_ray.demo.place import placed_when_whole
from dpo_ray.errors import DpoRayError


def main(
    out: Annotated[
        Path, typer.Option(help="Folder to make, or an earlier toy language to replace.")
    ] = Path("toy-language"),
) -> None:
    """Build the embedded toy language from nothing, in about two minutes on one core.

    Writes reviews, a tokenizer, a tiny model of them and preference pairs, then trains on the
    pairs with plain DPO. Fails, and leaves nothing, unless that beats the model on more than
    70 % of held-out prompts.

    Examples:

      python -m dpo_ray.demo

      python -m dpo_ray.demo --out /tmp/toy

      python -m dpo_ray.demo --out dpo_ray/demo/assets    (what the package ships)
    """
    console = Console()
    began = monotonic()
    try:
        with _progress(console) as progress:
            _build(out, progress)
    except DpoRayError as error:
        Console(stderr=True).print(f"[bold red]error:[/] {error}", soft_wrap=True)
        raise typer.Exit(error.exit_code) from error
    console.print(f"Wrote {out} in {monotonic() - began:.0f} s.", soft_wrap=True)


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description:<16}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    )


def _build(out: Path, progress: Progress) -> None:
    """Build on one thread: more threads sum in another order and make another model."""
    with placed_when_whole(out) as folder:
        # Imported late, so that --help and a refused --out answer at once.
        import datasets
        import torch
        import transformers

        from dpo_ray.demo.build import build

        torch.set_num_threads(1)
        datasets.disable_progress_bars()
        transformers.utils.logging.disable_progress_bar()
        transformers.utils.logging.set_verbosity_error()
        build(folder, progress)


if __name__ == "__main__":
    typer.run(main)
