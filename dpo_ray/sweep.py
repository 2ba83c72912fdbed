"""`python -m dpo_ray.sweep SPACE.yaml`: find the configuration the preference data wants.

Imports nothing heavy: a wrong file is refused, and a dry run shown, within a second.
"""

import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer
from rich.console import Console

from dpo_ray.cluster.addresses import cluster_address, takes_jobs
from dpo_ray.cluster.entrypoint import Typed
from dpo_ray.cluster.jobs import JobsApi
from dpo_ray.cluster.resources import measure_local
from dpo_ray.cluster.session import cluster_available, knock, ray_session
from dpo_ray.cluster.submitting import is_submitted, submit_sweep
from dpo_ray.cluster.token import refuse_open
from dpo_ray.cluster.verbosity import speak_up
from dpo_ray.cost import estimate_seconds
from dpo_ray.exits import errors_on_screen
from dpo_ray.output import (
    AGAIN,
    AsJson,
    Verbose,
    Voice,
    give_json,
    messages,
    results,
    same_command,
    this_python,
)
from dpo_ray.plan import Available, Plan, check_resources, make_plan
from dpo_ray.reference.locating import folder_if_there
from dpo_ray.reference.model import parameter_count
from dpo_ray.report.plan_table import print_plan
from dpo_ray.tracking.earlier import trials_asked
from dpo_ray.tracking.mlflow_server import default_uri, reachable, refuse_served_files

HELP = """Search a space for the configuration your preference data wants.

The first trial is the sweep's own configuration; a sampler proposes the others. The same
command means the same sweep: one that was interrupted goes on where it stopped, and a finished
one shows its result again.

\b
Examples:
  python -m dpo_ray.sweep search_spaces/beta.yaml
  python -m dpo_ray.sweep search_spaces/beta.yaml --dry-run
  python -m dpo_ray.sweep search_spaces/beta.yaml --trials 24
  python -m dpo_ray.sweep search_spaces/beta.yaml --trials +20      # a finished sweep goes on
  python -m dpo_ray.sweep search_spaces/beta.yaml --set data.source=my_pairs.jsonl
  python -m dpo_ray.sweep search_spaces/beta.yaml --submit --set cluster.address=http://head:8265
  python -m dpo_ray.sweep search_spaces/beta.yaml --json 2>sweep.log | jq .recommended

\b
Exit codes: 0 done; 2 bad configuration or data; 3 no trial completed; 4 too many
failures; 5 budget spent before the search was done; 6 locked by a live sweep; 7 tracking
or cluster unreachable; 8 clearly worse than the champion; 9 disk full, or the store cannot be
written; 130 interrupted.
"""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


SweepFile = Annotated[Path, typer.Option("--sweep", help="Everything else about the run.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override one key of the sweep file."),
]
Store = Annotated[
    Path, typer.Option(help="Where journals, adapters, cache and MLflow's database lie.")
]
DEFAULT_SWEEP = Path("sweeps/local.yaml")


@app.command(help=HELP)
def sweep(
    space: Annotated[Path, typer.Argument(help="What is searched: a file of search_spaces/.")],
    sweep_file: SweepFile = DEFAULT_SWEEP,
    overrides: Overrides = None,
    store: Store = Path("store"),
    name: Annotated[
        str | None,
        typer.Option(help="Name of this sweep.", show_default="the space's + a hash of the plan"),
    ] = None,
    trials: Annotated[
        str | None,
        typer.Option(metavar="N|+N", help="Trials in all, or so many more than were asked for."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the plan, check resources, and exit.")
    ] = False,
    submit: Annotated[
        bool,
        typer.Option(help="Run as a job of cluster.address, as any http:// address implies."),
    ] = False,
    allow_insecure_cluster: Annotated[
        bool,
        typer.Option(
            "--allow-insecure-cluster", help="Accept a cluster that asks nobody for a token."
        ),
    ] = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Run the command line; the text of --help stands in HELP."""
    with errors_on_screen():
        plan = make_plan(space, sweep_file, overrides or [], store, name)
        again = os.environ.get(AGAIN) or same_command(sys.argv, this_python())
        voice = Voice(results(), messages(), as_json, verbose, again)
        if is_submitted(plan, submit) and not dry_run:
            typed = Typed(
                space, sweep_file, overrides or [], trials, verbose, allow_insecure_cluster
            )
            raise typer.Exit(submit_sweep(plan, typed, voice))
        if (asked := trials_asked(plan, trials)) != plan.sweep.search.trials:
            longer = [*(overrides or []), f"search.trials={asked}"]
            plan = make_plan(space, sweep_file, longer, store, name)
        if dry_run:
            show_plan(plan, results(), as_json, allow_insecure_cluster)
        else:
            start(plan, voice, allow_insecure_cluster)


def show_plan(
    plan: Plan, console: Console, as_json: bool = False, open_allowed: bool = False
) -> None:
    """Print the plan beside what there is to run it on; `open_allowed` as in `ray_session`.

    Raises:
        DpoRayError: it asks for more than there is.
    """
    if plan.sweep.search.older_sweeps:
        from dpo_ray.search.warm_start import refuse_unteachable

        refuse_unteachable(plan)
    placement = check_resources(plan, _available(plan, open_allowed))
    folder = folder_if_there(plan.sweep.model, plan.store / "cache")
    parameters = parameter_count(folder) if folder else None
    estimate = estimate_seconds(plan, parameters, placement)
    if as_json:
        seconds = None if estimate is None else asdict(estimate)
        give_json({"plan": plan.to_dict(), "placement": asdict(placement), "seconds": seconds})
    else:
        print_plan(plan, placement, estimate, console)


def start(plan: Plan, voice: Voice, open_allowed: bool = False) -> None:
    """Run the sweep. What is heavy is imported when plan, rows and model have passed.

    `open_allowed`: see `ray_session`.

    Raises:
        DpoRayError: what ended it.
    """
    if voice.verbose:
        speak_up()
    address = cluster_address(plan.sweep.cluster.address)
    if address is None:
        check_resources(plan, measure_local())
    else:
        knock(address)
    if urlsplit(plan.sweep.tracking.uri or "").scheme in ("http", "https"):
        reachable(str(plan.sweep.tracking.uri))
    tracking = plan.sweep.tracking
    refuse_served_files(tracking.uri or default_uri(plan.store), tracking.experiment)
    from dpo_ray.search.inputs import check_inputs
    from dpo_ray.search.warm_start import refuse_unteachable

    refuse_unteachable(plan)
    # Other nodes see the store, but not this user's own cache of hub models.
    shared = address is not None
    inputs = check_inputs(plan.sweep, plan.store, shared, plan.folder / "judge-calls")
    from dpo_ray.stages import run_sweep

    run_sweep(plan, inputs, voice, open_allowed)


def _available(plan: Plan, open_allowed: bool) -> Available:
    address = cluster_address(plan.sweep.cluster.address)
    if address is None:
        return measure_local()
    if takes_jobs(address):
        refuse_open(address, open_allowed)
        return JobsApi(address).available()
    with ray_session(address, open_allowed):
        return cluster_available(address)


if __name__ == "__main__":
    app()
