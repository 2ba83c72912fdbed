"""The rows of a hub dataset: one split of one configuration at one commit.

Which files those are is decided by `datasets` itself, over an outline of the repository: its
card and, for everything else, empty files of the right names. So no file comes that is not read,
and with or without a network the same is decided.
"""

import glob
import shutil
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from dpo_ray.data.hub import asked
from dpo_ray.data.reading import unreadable
from dpo_ray.data.source import Source
from dpo_ray.errors import DataError

CARDS = ("README.md", ".huggingface.yaml", "dataset_infos.json")
"""What says which files are which configuration and split."""
OURS = {"keep_default_na": False, "na_values": [""], "parse_agent_traces": False}
"""As in local files: NA is text, and a column named `type` makes no agent's log."""


def read_hub_dataset(source: Source, cache: Path) -> Any:
    """Bring the split's files into the hub's cache, and return its rows, memory-mapped.

    Raises:
        DataError: no access, no connection, no such configuration or split, or unreadable.
    """
    import datasets

    outline = cache / "outline"
    _draw_outline(source, outline)
    try:
        _check_config(source, outline)
        builder = datasets.load_dataset_builder(
            str(outline), name=source.config, cache_dir=str(cache)
        )
        files = _files_of_split(source, builder)
        _fill_in(source, outline, files)
        builder.config.data_files = datasets.data_files.DataFilesDict({source.split: files})
        for option, value in OURS.items():
            if hasattr(builder.config, option):
                setattr(builder.config, option, value)
        # The card counts the rows of all splits; of one it says nothing that can be checked.
        builder.download_and_prepare(verification_mode="no_checks")
        return builder.as_dataset(split=source.split)
    except DataError:
        raise
    except Exception as error:
        raise unreadable(source, error) from error


def _draw_outline(source: Source, outline: Path) -> None:
    from huggingface_hub import get_cached_repo_tree

    snapshot = _fetch(source, CARDS)
    tree = asked(
        source.name,
        "dataset",
        lambda: get_cached_repo_tree(source.repo, repo_type="dataset", revision=source.revision),
    )
    for path in (PurePosixPath(entry.path) for entry in tree):
        if ".." in path.parts or path.is_absolute():
            continue  # no repository has such names, unless it means harm
        (outline / path).parent.mkdir(parents=True, exist_ok=True)
        (outline / path).touch()
        if str(path) in CARDS:
            shutil.copyfile(snapshot / path, outline / path)


def _check_config(source: Source, outline: Path) -> None:
    import datasets

    names = datasets.get_dataset_config_names(str(outline))
    default = datasets.get_dataset_default_config_name(str(outline))
    if source.config not in names and not (source.config is None and default is not None):
        raise DataError(
            f"{source.name}: data.config must be one of {', '.join(names)}, "
            f"got {source.config or 'nothing'}"
        )


def _files_of_split(source: Source, builder: Any) -> list[str]:
    found = builder.config.data_files
    if source.split not in found:
        raise DataError(
            f"{source.name}: data.split must be one of {', '.join(map(str, found))}, "
            f"got {source.split}"
        )
    return list(found[source.split])


def _fill_in(source: Source, outline: Path, files: Sequence[str]) -> None:
    """Put links to what was downloaded in the place of the empty files."""
    top = outline.resolve()
    names = [PurePosixPath(Path(path).relative_to(top)) for path in files]
    snapshot = _fetch(source, [glob.escape(str(name)) for name in names])
    for name in names:
        (outline / name).unlink()
        (outline / name).symlink_to(snapshot / name)


def _fetch(source: Source, patterns: Sequence[str]) -> Path:
    from huggingface_hub import snapshot_download

    folder = asked(
        source.name,
        "dataset",
        lambda: snapshot_download(
            source.repo,
            repo_type="dataset",
            revision=source.revision,
            allow_patterns=list(patterns),
        ),
    )
    return Path(folder)
