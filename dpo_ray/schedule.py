"""`python -m dpo_ray.schedule SWEEP.yaml VERB`: a sweep that runs by itself, night after night."""

import json
import signal
import sys
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from dpo_ray.cluster.lock import is_locked
from dpo_ray.config.redaction import redact
from dpo_ray.exits import errors_on_screen
from dpo_ray.nightly.deciding import upcoming
from dpo_ray.nightly.found import found
from dpo_ray.nightly.ledger import Ledger, Night
from dpo_ray.nightly.manifests import Surroundings, cronjob, crontab, raycronjob
from dpo_ray.nightly.opening import Schedule, open_schedule
from dpo_ray.nightly.running import Runner
from dpo_ray.nightly.table import ended, history_table, status_lines
from dpo_ray.nightly.ticks import ticks_after, written
from dpo_ray.output import AsJson, give_json, messages, results, say
from dpo_ray.sweep import Overrides, Store

HELP = """Run a sweep by itself, night after night.

SWEEP.yaml says with `schedule:` when, and with `space:` what is searched.

\b
Verbs:
  run      watch the clock in the foreground, and run every night
  tick     run the night that is due now, if any: for cron and other schedulers
  submit   run the next night now, instead of later
  status   the next night, the last ones, and whether one runs
  history  all nights in a table, with what each found
  prune    remove weights and cache entries of nights before the last schedule.keep; each night
           ends with it. The champion's stay, and nothing goes while the registry is silent
  render   print a crontab line or a Kubernetes manifest

\b
Examples:
  python -m dpo_ray.schedule sweeps/nightly.yaml run
  python -m dpo_ray.schedule sweeps/nightly.yaml run --json >> nights.jsonl
  python -m dpo_ray.schedule sweeps/nightly.yaml status
  python -m dpo_ray.schedule sweeps/nightly.yaml submit
  python -m dpo_ray.schedule sweeps/nightly.yaml history --json
  python -m dpo_ray.schedule sweeps/nightly.yaml prune --dry-run
  python -m dpo_ray.schedule sweeps/nightly.yaml render --to crontab

\b
Exit codes: 0 done, nothing was due, or it has run before; 2 bad configuration; 6 a night of this
schedule runs already; else the night's own, which are the sweep's.
"""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


class Verb(StrEnum):
    """What to do with a schedule."""

    RUN = "run"
    TICK = "tick"
    SUBMIT = "submit"
    STATUS = "status"
    HISTORY = "history"
    PRUNE = "prune"
    RENDER = "render"


class To(StrEnum):
    """Who else is to call `tick`."""

    CRONTAB = "crontab"
    CRONJOB = "cronjob"
    RAYCRONJOB = "raycronjob"


@app.command(help=HELP)
def schedule(
    sweep_file: Annotated[
        Path, typer.Argument(metavar="SWEEP.yaml", help="A sweep file with a schedule.")
    ],
    verb: Annotated[Verb, typer.Argument(help="What to do with it.")] = Verb.STATUS,
    overrides: Overrides = None,
    store: Store = Path("store"),
    name: Annotated[
        str | None, typer.Option(help="Name of this schedule.", show_default="the file's")
    ] = None,
    as_json: AsJson = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="prune: show what would go, and remove nothing.")
    ] = False,
    to: Annotated[To, typer.Option(help="render: for whom.")] = To.CRONTAB,
    image: Annotated[
        str, typer.Option(help="render: a container image with dpo-ray and this project's files.")
    ] = "my-registry/my-project:latest",
    claim: Annotated[
        str, typer.Option(help="render: the PersistentVolumeClaim that is the store.")
    ] = "dpo-ray-store",
    namespace: Annotated[str, typer.Option(help="render: Kubernetes namespace.")] = "default",
    secret: Annotated[str, typer.Option(help="render: Secret of --secret-key.")] = "dpo-ray",
    secret_keys: Annotated[
        list[str] | None,
        typer.Option("--secret-key", help="render: an environment variable out of the Secret."),
    ] = None,
) -> None:
    """Run the command line; the text of --help stands in HELP."""
    with errors_on_screen():
        own = open_schedule(sweep_file, overrides or [], store, name)
        match verb:
            case Verb.RUN:
                _run(own, as_json)
            case Verb.TICK:
                night = _interruptible(own, as_json).look(datetime.now(UTC), called=True)
                _end(night, "No night is due now.", as_json)
            case Verb.SUBMIT:
                _submit(own, as_json)
            case Verb.STATUS:
                _status(own, as_json)
            case Verb.HISTORY:
                _history(own, as_json)
            case Verb.PRUNE:
                _prune(own, dry_run, as_json)
            case Verb.RENDER:
                around = Surroundings(image, claim, secret, tuple(secret_keys or ()))
                _render(own, to, replace(around, namespace=namespace), as_json)


class _Reporting(Runner):
    """Prints each night that it was asked to look for, and has ended, as a line of JSON."""

    def look(self, now: datetime, called: bool = False) -> Night | None:
        night = super().look(now, called)
        if night is not None:
            line = json.dumps(redact(_facts(night, ended(night))), ensure_ascii=False)
            results().print(line, markup=False, highlight=False, soft_wrap=True, crop=False)
        return night


def _run(own: Schedule, as_json: bool) -> None:
    from dpo_ray.nightly.watching import watch

    console = messages()

    def say(text: str) -> None:
        stamp = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
        console.print(f"{stamp} {text}", markup=False, highlight=False, soft_wrap=True)

    watch((_Reporting if as_json else Runner)(own, log=True, say=say), say)


def _submit(own: Schedule, as_json: bool) -> None:
    due = next(ticks_after(own.timing, datetime.now(UTC)), None)
    if due is None:
        _end(None, f"{own.name}: its cron line has no further night.", as_json)
        return
    night = _interruptible(own, as_json).run(due)
    _end(night, f"The night of {written(due)} has run; history shows it.", as_json)


def _status(own: Schedule, as_json: bool) -> None:
    memory = Ledger(own.folder).memory()
    nights, tick = found(own.store, memory), upcoming(own.timing, memory, datetime.now(UTC))
    running = is_locked(own.folder)
    if not as_json:
        for line in status_lines(own, nights, tick, running):
            results().print(line, markup=False, highlight=False, soft_wrap=True)
        return
    give_json(
        {
            "schedule": own.name,
            "next": tick and tick.isoformat(),
            "running": running,
            "last": nights[-1].facts() if nights else None,
        }
    )


def _history(own: Schedule, as_json: bool) -> None:
    nights = found(own.store, Ledger(own.folder).memory())
    if as_json:
        give_json({"schedule": own.name, "nights": [each.facts() for each in nights]})
    elif nights:
        results().print(history_table(nights))
    else:
        messages().print(f"{own.name} has run nothing yet.", markup=False)


def _prune(own: Schedule, dry_run: bool, as_json: bool) -> None:
    from dpo_ray.nightly.pruning import prune, pruned_facts, pruned_sentence

    if own.timing.keep is None:
        messages().print("schedule.keep is not set, so every night keeps its weights.")
    found, freed = prune(own, dry_run)
    if as_json:
        give_json(pruned_facts(found, freed, dry_run))
    else:
        say(results(), pruned_sentence(found, freed, dry_run))


def _render(own: Schedule, to: To, around: Surroundings, as_json: bool) -> None:
    match to:
        case To.CRONTAB:
            text = crontab(own, Path.cwd(), sys.executable)
        case To.CRONJOB:
            text = cronjob(own, around)
        case To.RAYCRONJOB:
            text = raycronjob(own, around, version("ray"))
    if as_json:
        give_json({"to": to.value, "text": text})
    else:
        typer.echo(text, nl=False)


def _interruptible(own: Schedule, as_json: bool) -> Runner:
    """Make a runner that passes Ctrl-C and SIGTERM on to its night.

    Where stdout is for JSON the night speaks into its log: its own results would come first.
    """

    def tell(text: str) -> None:
        messages().print(text, markup=False, soft_wrap=True)

    runner = Runner(own, log=as_json, say=tell)

    def stop(_: int, __: FrameType | None) -> None:
        runner.stop()

    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, stop)
    return runner


def _end(night: Night | None, otherwise: str, as_json: bool) -> None:
    text = otherwise if night is None else ended(night)
    messages().print(text, markup=False, highlight=False, soft_wrap=True)
    facts = _facts(night, text)
    if as_json:
        give_json(facts)
    if facts["exit_code"]:
        raise typer.Exit(facts["exit_code"])


def _facts(night: Night | None, text: str) -> dict[str, Any]:
    code = 0 if night is None else 130 if night.exit_code is None else night.exit_code
    return {"sweep": night and night.sweep, "exit_code": code, "reason": text}


if __name__ == "__main__":
    app()
