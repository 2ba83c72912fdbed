"""`python -m dpo_ray.demo`: build the toy language from nothing and prove that it teaches."""

import warnings
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from dpo_ray.demo.place import placed_when_whole
from dpo_ray.errors import DpoRayError

if TYPE_CHECKING:
    from dpo_ray.demo.proof import Proof


app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def main(
    out: Annotated[
        Path, typer.Option(help="Folder to make, or an earlier toy language to replace.")
    ] = Path("toy-language"),
) -> None:
    """Build the embedded toy language from nothing, in about two minutes on one core.

    Writes reviews, a tokenizer, a tiny model of them and preference pairs, then trains on the
    pairs with plain DPO. Fails, and leaves nothing, unless that beats the model on more than
    70 % of held-out prompts.

    \b
    Examples:
      python -m dpo_ray.demo
      python -m dpo_ray.demo --out /tmp/toy
      python -m dpo_ray.demo --out dpo_ray/demo/assets   (what the package ships)
    """
    began = monotonic()
    try:
        with _progress() as progress:
            proof = _build(out, progress)
    except DpoRayError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(error.exit_code) from error
    typer.echo(f"Win rate against the reference: {proof.win_rate:.3f}")
    typer.echo(f"The reference against itself:   {proof.reference_win_rate:.3f}")
    typer.echo(f"Wrote {out} in {monotonic() - began:.0f} s")


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description:<16}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )


def _build(out: Path, progress: Progress) -> "Proof":
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
        # PEFT and TRL still call it by its old name.
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated")
        return build(folder, progress)


if __name__ == "__main__":
    app()
