"""`dpo-ray check FILE`: what is in the pairs, before anything is trained on them."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from dpo_ray.commands.quieting import quiet_libraries
from dpo_ray.config.document import read_document
from dpo_ray.config.loading import load_sweep
from dpo_ray.config.sweep import SweepConfig
from dpo_ray.data.report import DataReport
from dpo_ray.exits import errors_on_screen
from dpo_ray.output import AsJson, give_json, messages, results, say
from dpo_ray.plan import make_plan
from dpo_ray.sweep import DEFAULT_SWEEP, Overrides, Store, SweepFile
from dpo_ray.tracking.data_lines import data_lines

HELP = """Check a configuration and the preference pairs it names.

FILE is a search space (checked with the sweep of --sweep) or a sweep file. Every row is read,
tokenized and counted as a sweep would; the result stays in the store's cache, where the sweep
finds it. Nothing is trained, and no Ray is started.

\b
Examples:
  dpo-ray check search_spaces/beta.yaml
  dpo-ray check sweeps/local.yaml --set data.source=my_pairs.jsonl
  dpo-ray check search_spaces/beta.yaml --sweep sweeps/smollm2.yaml
  dpo-ray check sweeps/local.yaml --json | jq .rows.findings

\b
Exit codes: 0 fit to train on (read the doubtful rows); 2 bad configuration or data.
"""


def check(
    file: Annotated[Path, typer.Argument(help="A search space or a sweep file.")],
    sweep_file: SweepFile = DEFAULT_SWEEP,
    overrides: Overrides = None,
    store: Store = Path("store"),
    as_json: AsJson = False,
) -> None:
    """Run the command; the text of --help stands in HELP."""
    with errors_on_screen():
        sweep = _load(file, sweep_file, overrides or [], store)
        with messages().status("Reading and checking the pairs") as status:
            report = _report(sweep, store.absolute(), status.update)
        if as_json:
            give_json(report.to_json())
            return
        console = results()
        for line in data_lines(report):
            say(console, line)


def _load(file: Path, sweep_file: Path, overrides: list[str], store: Path) -> SweepConfig:
    if "parameters" in read_document(file).values:
        return make_plan(file, sweep_file, overrides, store).sweep
    return load_sweep(file, overrides)


def _report(sweep: SweepConfig, store: Path, say: Callable[[str], None]) -> DataReport:
    """Rows first: a bad one is named before anything heavy is imported."""
    from dpo_ray.search.inputs import check_inputs, preparation

    inputs = check_inputs(sweep, store)
    shared = preparation(inputs, sweep)

    quiet_libraries()
    from dpo_ray.search.preparation import Screen, data_report, prepare
    from dpo_ray.training.in_process import InProcess

    prepare(shared, InProcess(), Screen(say, lambda text, share: say(text)), stages=(("tokens",),))
    return data_report(inputs.pairs.report, shared)
