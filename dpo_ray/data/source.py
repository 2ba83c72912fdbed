"""Where rows come from: a name in the configuration, found and told by its content."""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal

from dpo_ray.config.redaction import redact_text
from dpo_ray.config.sources import (
    ALLOWED,
    DEFAULT_SPLIT,
    builder_of,
    choice_problems,
    form_of,
    hub_name,
    is_glob,
    kinds_problem,
    matches,
    source_problem,
)
from dpo_ray.data.cache import folder_digest
from dpo_ray.errors import DataError

MADE_LATER = ("cache-*.arrow", "tmp*")
"""What `datasets` writes into a saved folder while it is used."""


@dataclass(frozen=True)
class Source:
    """Rows that were found but not read.

    Attributes:
        name: as the user wrote it, without secrets.
        digest: sha256 of the files' bytes (of names, too, where there are several), of a saved
            folder, or of a hub dataset's id, commit, config and split.
        files: local files, or the one saved folder; none for a hub dataset, whose id is `repo`.
        builder: json, csv or parquet, for files.
        revision: the commit of a hub dataset, 40 hex digits.
    """

    name: str
    kind: Literal["files", "saved", "hub"]
    digest: str
    files: tuple[Path, ...] = ()
    builder: str = ""
    repo: str = ""
    config: str | None = None
    split: str = DEFAULT_SPLIT
    revision: str | None = None


def find_source(
    name: str,
    *,
    config: str | None = None,
    split: str = DEFAULT_SPLIT,
    revision: str | None = None,
    scratch: Path,
) -> Source:
    """Find what `name` stands for. Files of a URL are copied below `scratch`, once.

    Raises:
        DataError: nothing is there, or what is there cannot be rows; the text says the name,
            what is allowed, and for remote ends what to do.
    """
    _refuse(name, config, split, revision)
    shown, form = redact_text(name), form_of(name)
    if form == "embedded":
        return _of_files(shown, [_embedded()])
    if form == "hub":
        return _of_hub(name, config, split, revision)
    if form == "url":
        from dpo_ray.data.objects import copy_objects

        return _of_files(shown, copy_objects(name, scratch))
    path = os.path.expanduser(name)
    if os.path.isdir(path):
        return _of_saved(shown, Path(path), split)
    return _of_files(shown, [Path(found) for found in (matches(path) if is_glob(path) else [path])])


def _refuse(name: str, config: str | None, split: str, revision: str | None) -> None:
    rule = source_problem(name)
    if rule is not None:
        raise DataError(f"{redact_text(name)}: {rule}; allowed for data.source: {ALLOWED}")
    for key, broken in choice_problems(name, config, split, revision):
        raise DataError(f"{redact_text(name)}: data.{key}: {broken}")


def _embedded() -> Path:
    return Path(str(resources.files("dpo_ray") / "demo" / "assets" / "pairs.jsonl"))


def _of_files(shown: str, files: Sequence[Path]) -> Source:
    rule = kinds_problem([str(path) for path in files])
    if rule is not None:
        raise DataError(f"{shown}: {rule}")
    return Source(
        name=shown,
        kind="files",
        digest=files_digest(files),
        files=tuple(path.absolute() for path in files),
        builder=str(builder_of(str(files[0]))),
    )


def files_digest(files: Sequence[Path]) -> str:
    """Return the sha256 of a file's bytes; of several files', with their names, in order."""
    try:
        digests = [_file_digest(path) for path in files]
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read: {error.strerror}") from error
    if len(files) == 1:
        return digests[0]
    named = [[path.name, digest] for path, digest in zip(files, digests, strict=True)]
    return hashlib.sha256(json.dumps(named).encode()).hexdigest()


def _file_digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _of_saved(shown: str, folder: Path, split: str) -> Source:
    chosen = _saved_split(shown, folder, split)
    return Source(
        name=shown,
        kind="saved",
        digest=folder_digest(chosen, MADE_LATER),
        files=(chosen.absolute(),),
        split=split,
    )


def _saved_split(shown: str, folder: Path, split: str) -> Path:
    """Return the folder of one split. Without DatasetDict there is but one, whatever its name."""
    if (folder / "state.json").is_file():
        if split != DEFAULT_SPLIT:
            raise DataError(
                f"{shown}: data.split chooses in a folder of DatasetDict.save_to_disk, this is "
                f"one of Dataset.save_to_disk; got {split}, leave it out"
            )
        return folder
    try:
        splits = json.loads((folder / "dataset_dict.json").read_bytes())["splits"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        rule = "must be a folder of save_to_disk, whose dataset_dict.json lists the splits"
        raise DataError(f"{shown}: {rule}; got none there") from error
    if split not in splits:
        raise DataError(f"{shown}: data.split must be one of {', '.join(splits)}, got {split}")
    return folder / split


def _of_hub(name: str, config: str | None, split: str, revision: str | None) -> Source:
    from dpo_ray.data.hub import resolve_commit

    found = hub_name(name)
    assert found is not None  # form_of said so
    commit = resolve_commit(found.repo, revision or found.revision, "dataset")
    identity = json.dumps([found.repo, commit, config, split])
    return Source(
        name=name,
        kind="hub",
        digest=hashlib.sha256(identity.encode()).hexdigest(),
        repo=found.repo,
        config=config,
        split=split,
        revision=commit,
    )
