"""Situations: verbs over a finished sweep, its journal, and the servers they ask."""

import json
import logging
import socket
import sqlite3
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
from pyarrow import parquet

from dpo_ray.cluster.lock import sweep_lock
from dpo_ray.cluster.session import ray_session, refuse_silence
from dpo_ray.commands import exporting, serving, sync, ui
from dpo_ray.commands.exporting import Export
from dpo_ray.data.adapter_card import CARD
from dpo_ray.reference.model import model_folder
from dpo_ray.tracking.journal import read_journal
from dpo_ray.tracking.mlflow_server import default_uri, reachable, refuse_served_files
from dpo_ray.training import exporting as writing
from tests.errors.book import Chapter, Place, Said, command
from tests.errors.models import adapter
from tests.sweeping import ROOT

VERBS = Chapter("Verbs over a sweep")
EXAMPLE = (ROOT / "tests/report/example.journal.jsonl").read_text()
DPO = "dpo-ray"


def sweep(place: Place, name: str = "example", lines: int | None = None, tail: str = "") -> Path:
    """Put the example sweep of twelve trials into the store, or its first lines."""
    text = EXAMPLE.replace("@STORE@", str(place.folder / "store"))
    kept = "".join(text.splitlines(keepends=True)[:lines])
    place.write(f"store/sweeps/{name}/journal.jsonl", kept + tail)
    return place.folder / "store/sweeps" / name


JOURNALS = {
    "a journal with a broken line": '{"kind": "nap"}\n',
    "a journal with a line that is no JSON": "dear diary\n",
    "a journal with a line of another journal": EXAMPLE.splitlines()[0] + "\n",
    "a journal that goes on with a trial it never began": (
        '{"kind": "trial_ended", "seq": 3, "time": 1.0, "trial": 77, "state": "COMPLETED", '
        '"reason": "", "step": 8, "seconds": 1.0}\n'
    ),
}
for title, line in JOURNALS.items():

    @VERBS.when(title)
    def _(place, line=line) -> Said:
        sweep(place, lines=3, tail=line)
        return command(DPO, "report", "example")


@VERBS.when("a name that no sweep has")
def _(place) -> Said:
    sweep(place)
    return command(DPO, "report", "exmaple")


@VERBS.when("pictures of two sweeps")
def _(place) -> Said:
    sweep(place), sweep(place, "other")
    return command(DPO, "report", "example", "other", "--pictures", "out")


@VERBS.when("one sweep beside itself")
def _(place) -> Said:
    sweep(place)
    return command(DPO, "report", "example", "example")


@VERBS.when("a page that cannot be written")
def _(place) -> Said:
    sweep(place)
    place.write("taken", "")
    return command(DPO, "report", "example", "--out", "taken/page.html")


EXPORTS = {
    "an export of a number format that only a merge has": ["--dtype", "bfloat16"],
    "an export of a trial that there is not": ["--trial", "t99"],
    "an export of a step that was not evaluated": ["--trial", "t00", "--step", "7"],
    "an export of a checkpoint that was not kept": ["--trial", "t00"],
}
for title, options in EXPORTS.items():

    @VERBS.when(title)
    def _(place, options=options) -> Said:
        sweep(place)
        return command(DPO, "export", "example", "--out", "mine", *options)


@VERBS.when("an export over somebody's files")
def _(place) -> Said:
    sweep(place)
    place.write("mine/letter.txt", "dear")
    return command(DPO, "export", "example", "--out", "mine")


@VERBS.when("an export of a sweep that recommends nothing")
def _(place) -> Said:
    sweep(place, lines=4)
    return command(DPO, "export", "example", "--out", "mine")


def kept(place: Place, card: "dict[str, object] | None") -> Said:
    """Export a checkpoint that was kept, with this card."""
    folder = sweep(place)
    found = [each for each in read_journal(folder / "journal.jsonl") if each.kind == "trial_ended"]
    done = next(each for each in found if each.adapter)
    home = folder / f"trials/t{done.trial:02d}/adapter"
    home.mkdir(parents=True)
    if card is not None:
        (home / CARD).write_text(json.dumps(card))
    step = ["--trial", f"t{done.trial:02d}", "--step", str(done.step)]
    return command(DPO, "export", "example", "--out", "mine", *step)


@VERBS.when("an export without a card")
def _(place) -> Said:
    return kept(place, None)


@VERBS.when("an export whose base model is gone")
def _(place) -> Said:
    return kept(place, {**vars(adapter(place)), "model": "/gone/model"})


@VERBS.when("an export that does not write what the trial writes")
def _(place) -> object:
    folder, card = sweep(place), adapter(place)
    place.patch.setattr(exporting, "sweep_prompts", lambda *_: [[5]])
    place.patch.setattr(writing, "greedy_answers", lambda *_: [[50, 60]])
    place.patch.setattr(writing, "answers_as_loaded", lambda *_: [[50, 61]])
    facts = SimpleNamespace(plan=None), SimpleNamespace(name="t00", step=8)
    made = Export(*facts, folder, Path("adapter"), card, place.folder / "out", "adapter", "out")
    return exporting._compare(made, Path("out"), lambda text: None)


@VERBS.when("an export with nothing left to compare")
def _(place) -> object:
    folder, card = sweep(place), adapter(place)
    state = SimpleNamespace(prepared=None, plan=None)
    return exporting.sweep_prompts(state, folder, card, 4)


SCORES = {
    "a score that is to go to two places": ["--json", "--out", "-"],
    "a score into a file of an unknown kind": ["--out", "scores.txt"],
    "a score into a folder that is not there": ["--out", "nowhere/scores.csv"],
    "a score by what is no policy": [],
}
for title, options in SCORES.items():

    @VERBS.when(title)
    def _(place, options=options) -> Said:
        place.write("adapter/readme.txt", "")
        return command(DPO, "score", "adapter", "pairs.jsonl", *options)


@VERBS.when("a score without a card")
def _(place) -> Said:
    adapter(place)
    return command(DPO, "score", "adapter", "pairs.jsonl")


@VERBS.when("a score without its reference")
def _(place) -> Said:
    adapter(place)
    options = ["--reference", "/gone/model", "--beta", "0.1"]
    return command(DPO, "score", "adapter", "pairs.jsonl", *options)


@VERBS.when("a score of no pairs")
def _(place) -> Said:
    adapter(place)
    columns = dict.fromkeys(("prompt", "chosen", "rejected"), pa.array([], pa.string()))
    parquet.write_table(pa.table(columns), "pairs.parquet")
    options = ["--reference", str(model_folder("embedded")), "--beta", "0.1"]
    return command(DPO, "score", "adapter", "pairs.parquet", *options)


@VERBS.when("a sync of a sweep that runs")
def _(place) -> Said:
    with sweep_lock(sweep(place)):
        return command(DPO, "sync", "example")


@VERBS.when("a sync to a server that is not there")
def _(place) -> Said:
    sweep(place)
    return command(DPO, "sync", "example", "--to", "http://127.0.0.1:9")


@VERBS.when("a sync to a database that cannot be written")
def _(place) -> Said:
    sweep(place)
    place.write("full.db", "no database at all, but long enough to be taken for one" * 9)
    place.patch.setattr(sync, "PATIENCE_S", 1.0)
    return command(DPO, "sync", "example", "--to", "sqlite:///full.db")


@VERBS.when("a sync of a journal without its plan")
def _(place) -> Said:
    place.write("store/sweeps/example/journal.jsonl", "")
    return command(DPO, "sync", "example")


@VERBS.when("a promotion of what was never registered")
def _(place) -> Said:
    sweep(place)
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    return command(DPO, "promote", "example")


@VERBS.when("MLflow's pages without a database")
def _(place) -> Said:
    return command(DPO, "ui")


@VERBS.when("MLflow's pages of a database behind a password")
def _(place) -> Said:
    first = json.loads(EXAMPLE.splitlines()[0])
    first["plan"]["sweep"]["tracking"] = {"uri": "postgresql://***@db/mlflow", "experiment": "x"}
    place.write("store/sweeps/example/journal.jsonl", json.dumps(first) + "\n")
    return command(DPO, "ui", "example")


@VERBS.when("MLflow's pages on a port that is taken")
def _(place) -> Said:
    place.write("store/mlflow.db", "")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return command(DPO, "ui", "--port", str(taken.getsockname()[1]))


class Ended:
    """A server's process that is over."""

    pid = 1
    returncode = 3

    def __init__(self, *_: object, **__: object) -> None: ...

    def poll(self) -> int:
        return 3


@VERBS.when("an MLflow server that ends at once")
def _(place) -> object:
    place.write("log", "OSError: the disk is full\n")
    return serving._wait(Ended(), 9, Path("log"), lambda: None)


@VERBS.when("an MLflow server that never answers")
def _(place) -> object:
    place.patch.setattr(serving, "START_S", 0.0)
    alive = Ended()
    alive.poll = lambda: None
    return serving._wait(alive, 9, Path("log"), lambda: None)


@VERBS.when("an MLflow server that dies while it is looked at")
def _(place) -> Said:
    from contextlib import nullcontext

    place.write("store/mlflow.db", "")
    place.patch.setattr(serving, "mlflow_server", lambda *_: nullcontext(Ended()))
    place.patch.setattr(ui, "link", lambda *_: "http://127.0.0.1:5000")
    return command(DPO, "ui", "--port", "5999")


@VERBS.when("tracking that cannot make its folder")
def _(place) -> object:
    place.write("store", "a file")
    return reachable(default_uri(place.folder / "store" / "deep"))


@VERBS.when("tracking of an unknown kind")
def _(place) -> object:
    return reachable("ftp://host/mlruns")


@VERBS.when("a database whose experiment is a server's")
def _(place) -> object:
    (place.folder / "store").mkdir()
    with sqlite3.connect(place.folder / "store" / "mlflow.db") as database:
        database.execute("CREATE TABLE experiments (name, artifact_location)")
        database.execute("INSERT INTO experiments VALUES ('dpo-ray', 'mlflow-artifacts:/1')")
    database.close()
    return refuse_served_files(default_uri(place.folder / "store"), "dpo-ray")


@VERBS.when("a server that does not answer")
def _(place) -> object:
    return reachable("http://me:hunter2@127.0.0.1:9", seconds=2)


@VERBS.when("a cluster that is not there")
def _(place) -> object:
    return refuse_silence("127.0.0.1:9", seconds=2)


@VERBS.when("a cluster that Ray cannot join")
def _(place) -> object:
    import ray

    def refused(*_: object, **__: object) -> None:
        raise ConnectionError("Ray Client version mismatch")

    place.patch.setattr(ray, "init", refused)
    head = socket.create_server(("127.0.0.1", 0))
    with head, ray_session(f"127.0.0.1:{head.getsockname()[1]}"):
        return None
