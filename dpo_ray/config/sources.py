"""What data.source may say, told apart by its spelling and a look at the local disk."""

import glob
import os
import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from dpo_ray.config.model import HUB_ID
from dpo_ray.config.redaction import redact_text

EMBEDDED = "embedded"
BUILDERS = {
    ".jsonl": "json",
    ".ndjson": "json",
    ".json": "json",
    ".csv": "csv",
    ".parquet": "parquet",
}
"""Suffixes of data files, and the reader of `datasets` for each."""
COMPRESSIONS = (".gz", ".bz2", ".xz")
"""Suffixes that may follow, except after .parquet, which is compressed inside."""
SUFFIXES = f"{', '.join(BUILDERS)}, all but .parquet also with {', '.join(COMPRESSIONS)}"
ALLOWED = (
    f"{EMBEDDED}, data files ({', '.join(BUILDERS)}) or a glob of them, a folder of save_to_disk, "
    "an s3://, gs:// or hf://datasets/ URL of data files, a hub dataset (organisation/name)"
)
DEFAULT_SPLIT = "train"
SAVED_MARKS = ("state.json", "dataset_dict.json")
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)(?:::[^:]*)*://", re.IGNORECASE)
_DATASETS = re.compile(r"hf://(?:datasets/)?")
Form = Literal["embedded", "hub", "url", "path"]


@dataclass(frozen=True)
class HubName:
    """A dataset of the hub as the user wrote it."""

    repo: str
    revision: str | None = None


def form_of(name: str) -> Form:
    """Tell the forms apart. What exists on disk is a path, whatever else it looks like."""
    if name == EMBEDDED:
        return "embedded"
    if _SCHEME.match(name):
        return "hub" if hub_name(name) else "url"
    return "hub" if hub_name(name) and not os.path.exists(name) else "path"


def hub_name(name: str) -> HubName | None:
    """Read `org/name`, `hf://org/name` or `hf://datasets/org/name`, each with or without @rev."""
    prefix = _DATASETS.match(name)
    repo, _, revision = name[prefix.end() if prefix else 0 :].partition("@")
    if not HUB_ID.fullmatch(repo) or builder_of(repo):
        return None
    return HubName(repo, revision or None)


def builder_of(name: str) -> str | None:
    """Return the reader for a file's name, or None for a suffix that no reader knows."""
    bare, suffix = os.path.splitext(name.lower())
    if suffix in COMPRESSIONS:
        inner = BUILDERS.get(os.path.splitext(bare)[1])
        return inner if inner != "parquet" else None
    return BUILDERS.get(suffix)


def url_path(url: str) -> str:
    """Return a URL without its query, which only the web's have: there the suffix stands."""
    return urlsplit(url).path if url.lower().startswith(("http://", "https://")) else url


def is_glob(path: str) -> bool:
    """A path that exists is itself, even with brackets in its name."""
    return glob.has_magic(path) and not os.path.exists(path)


def matches(pattern: str) -> list[str]:
    """Return the files that a glob names, sorted."""
    found = glob.glob(os.path.expanduser(pattern), recursive=True)
    return sorted(path for path in found if os.path.isfile(path))


def source_problem(name: str) -> str | None:
    """Return the rule that `name` certainly breaks, judged without a network, or None."""
    form = form_of(name)
    if form == "url":
        path = url_path(name)
        return None if "*" in os.path.basename(path) else suffix_problem(path)
    return _path_problem(name) if form == "path" else None


def choice_problems(
    name: str, config: str | None, split: str, revision: str | None
) -> list[tuple[str, str]]:
    """Return pairs of a setting and its rule, for settings that choose where nothing can be."""
    form = form_of(name)
    hub = hub_name(name) if form == "hub" else None
    problems = []
    for key, value in (("config", config), ("revision", revision)):
        if value is not None and hub is None:
            problems.append((key, f"belongs to a hub dataset, got {value} for {redact_text(name)}"))
    if split != DEFAULT_SPLIT and hub is None and not os.path.isdir(os.path.expanduser(name)):
        rule = "belongs to a hub dataset or a folder of DatasetDict.save_to_disk"
        problems.append(("split", f"{rule}, got {split} for {redact_text(name)}"))
    if hub is not None and hub.revision is not None and revision is not None:
        problems.append(("revision", f"must be given once, got {revision} beside {name}"))
    return problems


def _path_problem(name: str) -> str | None:
    path = os.path.expanduser(name)
    if os.path.isdir(path):
        return folder_problem(path)
    if is_glob(path):
        found = matches(path)
        return kinds_problem(found) if found else "no file matches"
    return suffix_problem(path) if os.path.isfile(path) else "no such file"


def folder_problem(path: str) -> str | None:
    """Return what keeps a folder from being read, or None."""
    if any(os.path.isfile(os.path.join(path, mark)) for mark in SAVED_MARKS):
        return None
    return "a folder must be one of Dataset.save_to_disk; name its files by a glob such as *.jsonl"


def kinds_problem(paths: list[str]) -> str | None:
    """Return what keeps files from being read as one table by one reader, or None."""
    for path in paths:
        problem = suffix_problem(path)
        if problem:
            return problem
    kinds = sorted({str(builder_of(path)) for path in paths})
    if len(kinds) > 1:
        return f"a glob must match files of one kind, matches {' and '.join(kinds)}"
    return None


def suffix_problem(path: str) -> str | None:
    """Return what is wrong with a data file's suffix, or None."""
    if builder_of(path):
        return None
    suffix = os.path.splitext(path.split("?")[0].rstrip("/"))[1]
    return f"data files must end in {SUFFIXES}, got {suffix or 'no suffix'}"
