"""The Hugging Face hub: a revision becomes a commit, and a commit becomes files."""

import contextlib
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, TypeVar

from dpo_ray.config.model import COMMIT
from dpo_ray.data.retrying import GaveUp, causes, in_tries, retry, safe_text, status_of
from dpo_ray.data.weights import NONE_FOUND, check_weights
from dpo_ray.errors import ConfigError, DataError, DpoRayError

Kind = Literal["model", "dataset"]
KEY: dict[Kind, str] = {"model": "model.name", "dataset": "data.source"}
ERROR: dict[Kind, type[ConfigError] | type[DataError]] = {
    "model": ConfigError,
    "dataset": DataError,
}
MODEL_FILES = ("*.safetensors", "*.json", "*.txt", "*.model", "*.tiktoken", "*.jinja", "tokenizer*")
NOT_LOADED = ("*/*", "consolidated*", "README*")
"""Copies of the weights in other layouts, and prose."""
TIMEOUT = 30.0
"""Seconds for one question about a repository."""
Result = TypeVar("Result")


def resolve_commit(repo: str, revision: str | None, kind: Kind) -> str:
    """Return the commit that `revision` (a branch, tag or commit; None: main) stands for.

    A commit is returned as it is. Otherwise the hub is asked once, and the answer is noted in
    its cache, where offline mode (HF_HUB_OFFLINE=1) finds it.

    Raises:
        ConfigError, DataError: no such repository or revision, no access, or no connection.
    """
    if revision is not None and COMMIT.fullmatch(revision):
        return revision
    from huggingface_hub import HfApi, constants

    revision = revision or constants.DEFAULT_REVISION
    if constants.is_offline_mode():
        return _noted_commit(repo, revision, kind)
    api = HfApi()
    info = asked(
        f"{repo}@{revision}",
        kind,
        lambda: api.repo_info(repo, repo_type=kind, revision=revision, timeout=TIMEOUT),
    )
    _note_commit(repo, revision, kind, str(info.sha))
    return str(info.sha)


def download_model(
    repo: str, commit: str, cache_dir: Path | None = None, with_code: bool = False
) -> Path:
    """Bring a model's weights, configuration and tokenizer into the hub's cache; return the folder.

    Files that are there are not asked for again, and offline mode takes what is there.

    Raises:
        ConfigError: no access, no connection, no safetensors, or a file that is cut off.
    """
    from huggingface_hub import snapshot_download

    patterns = [*MODEL_FILES, *(["*.py"] if with_code else [])]
    folder = asked(
        f"{repo}@{commit}",
        "model",
        lambda: snapshot_download(
            repo,
            revision=commit,
            cache_dir=cache_dir,
            allow_patterns=patterns,
            ignore_patterns=list(NOT_LOADED),
        ),
    )
    if not any(Path(folder).glob("*.safetensors")):
        raise ConfigError(f"model.name: {repo}@{commit} {NONE_FOUND}")
    check_weights(Path(folder))
    return Path(folder)


def asked(what: str, kind: Kind, call: Callable[[], Result]) -> Result:
    """Ask the hub with retries, or raise the error of `kind` that says what to do about it."""
    with quiet_hub():
        try:
            return retry(call)
        except GaveUp as gave_up:
            if isinstance(gave_up.cause, DpoRayError):
                raise gave_up.cause from None
            rule = _what_failed(gave_up)
    raise ERROR[kind](f"{KEY[kind]}: {what}: {rule}")


def cached_repo(repo: str, kind: Kind) -> Path:
    """Return where the hub's cache keeps a repository: its refs, and a snapshot per commit."""
    from huggingface_hub import constants, file_download

    name = file_download.repo_folder_name(repo_id=repo, repo_type=kind)
    return Path(constants.HF_HUB_CACHE) / str(name)


def offline_text(what: str) -> str:
    """Say that offline mode found nothing, and the two ways out."""
    from huggingface_hub import constants

    return (
        f"HF_HUB_OFFLINE is set, and the cache {constants.HF_HUB_CACHE} does not hold {what}; "
        "run once without HF_HUB_OFFLINE, or copy the cache of a machine that did"
    )


def _noted_commit(repo: str, revision: str, kind: Kind) -> str:
    try:
        return (cached_repo(repo, kind) / "refs" / revision).read_text().strip()
    except OSError:
        rule = offline_text(f"the commit of {revision}")
        raise ERROR[kind](f"{KEY[kind]}: {repo}@{revision}: {rule}") from None


def _note_commit(repo: str, revision: str, kind: Kind, commit: str) -> None:
    """Write what the hub's own download would: a cache that cannot be written is no error."""
    note = cached_repo(repo, kind) / "refs" / revision
    with contextlib.suppress(OSError):
        note.parent.mkdir(parents=True, exist_ok=True)
        descriptor, fresh = tempfile.mkstemp(prefix=f"{note.name}.", dir=note.parent)
        with os.fdopen(descriptor, "w") as stream:
            stream.write(commit)
        os.replace(fresh, note)


def _what_failed(gave_up: GaveUp) -> str:
    from huggingface_hub import constants

    names = {base.__name__ for link in causes(gave_up.cause) for base in type(link).__mro__}
    statuses = {status_of(link) for link in causes(gave_up.cause)}
    token = "set HF_TOKEN to a token that may read it"
    if "OfflineModeIsEnabled" in names or constants.is_offline_mode():
        return offline_text("all of it")
    if "GatedRepoError" in names or 403 in statuses:
        return f"access is denied: accept its terms on {constants.ENDPOINT}, and {token}"
    if "RevisionNotFoundError" in names:
        return "no such revision"
    if "RepositoryNotFoundError" in names or 401 in statuses:
        return f"no path here, and not on {constants.ENDPOINT} or private: check it, or {token}"
    tries = in_tries(gave_up.tries)
    return f"failed after {tries}: {safe_text(gave_up.cause)}; check the network, then run again"


@contextlib.contextmanager
def quiet_hub() -> Iterator[None]:
    """Keep the hub's log off the screen, and its progress bars off what is no terminal."""
    from huggingface_hub.utils.tqdm import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    logger = logging.getLogger("huggingface_hub")
    level, bars = logger.level, not are_progress_bars_disabled()
    logger.setLevel(logging.CRITICAL)
    if bars and not sys.stderr.isatty():
        disable_progress_bars()
    try:
        yield
    finally:
        logger.setLevel(level)
        if bars:
            enable_progress_bars()
