"""Where the model lies: shipped, in a folder, in a GGUF file or on a hub. Imports nothing heavy."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dpo_ray.config.judging import RewardModelJudge
from dpo_ray.config.model import COMMIT, HUB_ID, ModelConfig
from dpo_ray.data.weights import check_weights
from dpo_ray.errors import ConfigError
from dpo_ray.reference.gguf import conversion_of, converted, gguf_file
from dpo_ray.reference.model import model_folder

JUDGE = "evaluation.judge"
CODE = "auto_map"
"""The key under which a model's own files name Python code that comes with it."""


@dataclass(frozen=True)
class LocatedModel:
    """A plain folder of safetensors, and the commit it is of if it came from a hub."""

    folder: Path
    revision: str | None = None


def locate_model(config: ModelConfig, cache: Path, shared: bool = False) -> LocatedModel:
    """Find, convert or download the model; what is there already is taken as it is.

    `shared`: other nodes must see a hub model's files, so they go into `cache` and not into the
    hub's own folder of this machine's user.

    Raises:
        ConfigError: there is no such model, or it is one that is not read.
    """
    if (file := gguf_file(config.name)) is not None:
        return LocatedModel(converted(file, config.dtype, cache))
    if _is_on_hub(config):
        return _downloaded(config, cache, shared)
    folder = model_folder(config.name)
    check_weights(folder)
    refuse_own_code(folder, trusted=False)
    return LocatedModel(folder)


def folder_if_there(config: ModelConfig, cache: Path) -> Path | None:
    """Return the model's folder if nothing need be converted or downloaded for it, else None.

    Raises:
        ConfigError: there is no such model, or it is one that is not read.
    """
    if (file := gguf_file(config.name)) is not None:
        target = conversion_of(file, config.dtype, cache)
        return target if target.is_dir() else None
    return _snapshot(config, cache) if _is_on_hub(config) else model_folder(config.name)


def locate_reward_model(judge: RewardModelJudge, cache: Path, shared: bool = False) -> Path:
    """Find or download a judge's model, as `locate_model` does for the one that is aligned.

    Raises:
        ConfigError: there is no such model, or it is one that is not read.
    """
    here = Path(judge.model).expanduser()
    if HUB_ID.fullmatch(judge.model) and (judge.revision is not None or not here.is_dir()):
        name, revision, trusted = judge.model, judge.revision, judge.trust_remote_code
        pinned = ModelConfig(name=name, revision=revision, trust_remote_code=trusted)
        return _downloaded(pinned, cache, shared, JUDGE).folder
    if not (here / "config.json").is_file() or not list(here.glob("*.safetensors")):
        raise ConfigError(
            f"{JUDGE}.model must be a folder with config.json and *.safetensors, or a hub id "
            f"(organisation/name), got {judge.model!r}"
        )
    refuse_own_code(here, trusted=False, of=JUDGE)
    return here.resolve()


def refuse_own_code(folder: Path, trusted: bool, of: str = "model") -> None:
    """Refuse a model that brings Python code along, unless it is `trusted` to run.

    Trust is given to one commit of a hub model, so a local folder's code never runs.

    Raises:
        ConfigError: its configuration names such code.
    """
    named = f"{of}.model" if of == JUDGE else f"{of}.name"
    for file in (folder / "config.json", folder / "tokenizer_config.json"):
        if not trusted and file.is_file() and CODE in _json(file):
            raise ConfigError(
                f"{named}: {file} names Python code of its own ({CODE}), which runs only for a hub "
                f"model with {of}.trust_remote_code: true and {of}.revision, a commit of 40 hex "
                "digits; never from a local folder"
            )


def is_snapshot(folder: Path) -> bool:
    """Whether a folder is one commit of a hub model, as the hub's cache keeps it."""
    return folder.parent.name == "snapshots" and COMMIT.fullmatch(folder.name) is not None


def _json(file: Path) -> Any:
    try:
        return json.loads(file.read_text())
    except ValueError as error:
        raise ConfigError(f"model.name: {file} is no JSON: {error}") from error


def _is_on_hub(config: ModelConfig) -> bool:
    # As in transformers, a folder of that name here is meant first; only a hub has revisions.
    here = Path(config.name).expanduser().is_dir() and config.revision is None
    return HUB_ID.fullmatch(config.name) is not None and not here


def _downloaded(config: ModelConfig, cache: Path, shared: bool, of: str = "model") -> LocatedModel:
    from dpo_ray.data.hub import download_model, resolve_commit

    commit = resolve_commit(config.name, config.revision, "model")
    store = cache / "hub" if shared else None
    folder = download_model(config.name, commit, store, with_code=config.trust_remote_code)
    refuse_own_code(folder, trusted=config.trust_remote_code, of=of)
    return LocatedModel(folder, commit)


def _snapshot(config: ModelConfig, cache: Path) -> Path | None:
    """Return a hub model's folder in the user's own hub cache or in the store's, if it is there."""
    from dpo_ray.data.hub import cached_repo

    repo, revision = cached_repo(config.name, "model"), config.revision or "main"
    note = repo / "refs" / revision  # the commit a name stood for when it was asked last
    if not COMMIT.fullmatch(revision):
        revision = note.read_text().strip() if note.is_file() else ""
    places = [root / "snapshots" / revision for root in (repo, cache / "hub" / repo.name)]
    return next((place for place in places if list(place.glob("*.safetensors"))), None)
