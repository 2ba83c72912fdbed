"""Situations: pairs and texts, from files, buckets and a hub."""

import json
from pathlib import Path

import datasets
import fsspec
import numpy as np
import pyarrow as pa
import torch
from pyarrow import parquet

from dpo_ray.config.data import DataConfig
from dpo_ray.config.reference import SftConfig
from dpo_ray.data import retrying
from dpo_ray.data.objects import copy_objects
from dpo_ray.data.pairs import read_pairs
from dpo_ray.data.source import files_digest
from dpo_ray.data.texts import form_of
from dpo_ray.reference.model import load_model, load_tokenizer, model_folder
from dpo_ray.reference.token_report import Dropping, report_on
from dpo_ray.training.sft_trainer import build_sft_trainer
from tests.data.hub_server import Repo
from tests.errors.book import Chapter, Said, command
from tests.errors.hub import on_a_hub

DATA = Chapter("Pairs")
PAIR = {"prompt": "The soup was", "chosen": " good.", "rejected": " bad."}
TALK = [{"role": "user", "content": "The soup?"}]


def lines(*rows) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


FILES = {
    "rows that are no objects": ("pairs.jsonl", "[1]x\n5\n"),
    "a file of numbers": ("pairs.jsonl", "5\n"),
    "a blank file": ("pairs.jsonl", "\n\n"),
    "a line that is no UTF-8": ("pairs.jsonl", lines(PAIR).encode() + b"\xff\n"),
    "a line that is no JSON": ("pairs.jsonl", lines(PAIR) + '{"prompt": \n'),
    "a compressed file that is none": ("pairs.jsonl.gz", "plain"),
    "an array that does not end": ("pairs.json", '[{"prompt":\n'),
    "an empty array": ("pairs.json", "[]"),
    "an array of numbers": ("pairs.json", "[1, 2]"),
    "a CSV file without a row": ("pairs.csv", "prompt,chosen,rejected\n"),
    "a blank CSV file": ("pairs.csv", "\n"),
    "a CSV file with a column twice": ("pairs.csv", "prompt,chosen,chosen\na,b,c\n"),
    "a CSV row with a cell too many": ("pairs.csv", "prompt,chosen,rejected\na,b,c,d\n"),
    "a CSV quote that does not end": ("pairs.csv", 'prompt,chosen,rejected\na,b,"c\n'),
    "a Parquet file that is none": ("pairs.parquet", "PAR1 or not"),
    "a column that is not there": ("pairs.jsonl", lines({"prompt": "a", "good": "b"})),
    "tools beside strings": ("pairs.jsonl", lines({**PAIR, "tools": []})),
    "broken rows": (
        "pairs.jsonl",
        lines({**PAIR, "chosen": None}, {**PAIR, "prompt": " "}, {**PAIR, "rejected": ""}),
    ),
    "answers that begin with no common prompt": (
        "pairs.jsonl",
        lines({"chosen": "Good.", "rejected": "Bad."}),
    ),
    "an answer by the user": (
        "pairs.jsonl",
        lines({"prompt": TALK, "chosen": TALK, "rejected": TALK}),
    ),
    "rows in which chosen equals rejected": ("pairs.jsonl", lines({**PAIR, "chosen": " bad."})),
}
for title, (name, content) in FILES.items():

    @DATA.when(title)
    def _(place, name=name, content=content) -> Said:
        return check(place.write(name, content))


def check(source: str, *more: str) -> Said:
    settings = [part for each in (f"data.source={source}", *more) for part in ("--set", each)]
    return command("dpo-ray", "check", "search_spaces/beta.yaml", *settings)


@DATA.when("a kind of doubtful row that is to stop")
def _(place) -> Said:
    twice = place.write("pairs.jsonl", lines(PAIR, PAIR))
    return check(twice, "data.warnings.duplicate_pair=stop")


@DATA.when("a file that is not there any more")
def _(place) -> object:
    return files_digest([Path("gone.jsonl")])


@DATA.when("a name that is no file")
def _(place) -> object:
    return read_pairs(DataConfig(source="gone.jsonl"), place.folder / "cache")


@DATA.when("a glob over files of two kinds")
def _(place) -> object:
    place.write("pairs.csv", "prompt,chosen,rejected\na,b,c\n")
    place.write("pairs.jsonl", lines(PAIR))
    return read_pairs(DataConfig(source="pairs.*"), place.folder / "cache")


@DATA.when("a configuration of a source that has none")
def _(place) -> object:
    source = place.write("pairs.jsonl", lines(PAIR))
    return read_pairs(DataConfig(source=source, config="soup"), place.folder / "cache")


@DATA.when("two CSV files with other columns")
def _(place) -> Said:
    place.write("a.csv", "prompt,chosen,rejected\na,b,c\n")
    place.write("b.csv", "prompt,chosen,worse\na,b,c\n")
    return check("*.csv")


@DATA.when("a split that a saved data set has not")
def _(place) -> Said:
    rows = datasets.Dataset.from_list([PAIR])
    datasets.DatasetDict({"train": rows}).save_to_disk("saved")
    return check("saved", "data.split=test")


@DATA.when("a split of a saved data set that has one only")
def _(place) -> Said:
    datasets.Dataset.from_list([PAIR]).save_to_disk("saved")
    return check("saved", "data.split=test")


@DATA.when("a saved folder that lists no splits")
def _(place) -> Said:
    place.write("saved/dataset_dict.json", "{}")
    return check("saved")


@DATA.when("a saved folder that is damaged")
def _(place) -> Said:
    datasets.Dataset.from_list([PAIR]).save_to_disk("saved")
    place.write("saved/state.json", "{}")
    return check("saved")


@DATA.when("a saved data set without a row")
def _(place) -> Said:
    datasets.Dataset.from_dict({name: [] for name in PAIR}).save_to_disk("saved")
    return check("saved")


@DATA.when("texts for the reference in no known column")
def _(place) -> object:
    return form_of("texts.jsonl", ["story"])


@DATA.when("prompts that all fill max_length")
def _(place) -> object:
    table = np.array([[1, 600, 4, 4]], dtype=np.int32)
    warnings = DataConfig().warnings
    return report_on([("train", table)], Dropping(max_length=512, warnings=warnings, test=0.0))


OBJECTS = {
    "an object whose protocol is none": "gopher://bucket/pairs.jsonl",
    "an object that is not there": "memory://bucket/pairs.jsonl",
    "a pattern that no object matches": "memory://bucket/*.jsonl",
    "a bucket whose package is missing": "gs://bucket/pairs.jsonl",
}
for title, url in OBJECTS.items():

    @DATA.when(title)
    def _(place, url=url) -> object:
        place.patch.setattr(retrying, "FIRST_WAIT", 0.01)
        return copy_objects(url, place.folder)


@DATA.when("objects of a kind nobody reads")
def _(place) -> object:
    memory = fsspec.filesystem("memory")
    memory.pipe("/errors/notes.txt", b"dear")
    return copy_objects("memory://errors/*.txt", place.folder)


def failing(place, error: Exception) -> object:
    """Copy an object from a store that answers with an error."""

    def listed(*_: object, **__: object) -> object:
        raise error

    place.patch.setattr(retrying, "FIRST_WAIT", 0.01)
    place.patch.setattr(fsspec.core, "url_to_fs", listed)
    return copy_objects("s3://bucket/pairs.jsonl", place.folder)


@DATA.when("a bucket that denies access")
def _(place) -> object:
    return failing(place, PermissionError("Forbidden"))


@DATA.when("a bucket that does not answer")
def _(place) -> object:
    return failing(place, ConnectionError("the name does not resolve"))


HUB = {
    "a data set that no hub has": ("org/nothing", {}),
    "a split that a hub's data set has not": ("org/pairs", {"split": "tests"}),
    "a configuration that a hub's data set has not": ("org/pairs", {"config": "tea"}),
    "a revision that a hub's data set has not": ("org/pairs", {"revision": "v9"}),
}
for title, (repo, choice) in HUB.items():

    @DATA.when(title)
    def _(place, repo=repo, choice=choice) -> object:
        with on_a_hub(place) as hub:
            hub.repos["datasets", "org/pairs"] = Repo({"train.jsonl": lines(PAIR).encode()})
            return read_pairs(DataConfig(source=repo, **choice), place.folder / "cache")


@DATA.when("a hub's data set, offline, that never came")
def _(place) -> object:
    with on_a_hub(place, offline=True):
        return read_pairs(DataConfig(source="org/pairs"), place.folder / "cache")


@DATA.when("a Parquet file without a row")
def _(place) -> Said:
    columns = dict.fromkeys(("prompt", "chosen", "rejected"), pa.array([], pa.string()))
    parquet.write_table(pa.table(columns), "pairs.parquet")
    return check("pairs.parquet")


@DATA.when("objects of two kinds behind one pattern")
def _(place) -> object:
    memory = fsspec.filesystem("memory")
    memory.pipe("/kinds/a.csv", b"prompt,chosen,rejected\na,b,c\n")
    memory.pipe("/kinds/b.jsonl", lines(PAIR).encode())
    return read_pairs(DataConfig(source="memory://kinds/*"), place.folder / "cache")


@DATA.when("a hub's data set whose file is empty")
def _(place) -> object:
    with on_a_hub(place) as hub:
        hub.repos["datasets", "org/empty"] = Repo({"train.jsonl": b""})
        return read_pairs(DataConfig(source="org/empty"), place.folder / "cache")


@DATA.when("a hub's data set of column names only")
def _(place) -> object:
    with on_a_hub(place) as hub:
        hub.repos["datasets", "org/names"] = Repo({"train.csv": b"prompt,chosen,rejected\n"})
        return read_pairs(DataConfig(source="org/names"), place.folder / "cache")


@DATA.when("texts that are all longer than max_length")
def _(place) -> object:
    folder = model_folder("embedded")
    texts = datasets.Dataset.from_list([{"prompt": "The soup was " * 40, "completion": " good."}])
    return build_sft_trainer(
        load_model(folder, "float32", torch.device("cpu")),
        load_tokenizer(folder),
        texts,
        SftConfig(mode="lora"),
        max_length=16,
        dtype="float32",
        workers=1,
        folder=place.folder,
    )
