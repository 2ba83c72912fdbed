"""Data files behind a URL, copied to the local disk through fsspec."""

from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from dpo_ray.config.redaction import redact_text
from dpo_ray.config.sources import suffix_problem, url_path
from dpo_ray.data.retrying import GaveUp, causes, in_tries, retry, safe_text, status_of
from dpo_ray.errors import DataError

EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"}
"""Protocols whose package is an extra of dpo-ray."""
Objects = tuple[Any, list[str]]
Result = TypeVar("Result")


def copy_objects(url: str, scratch: Path) -> list[Path]:
    """Copy the file that `url` names, or all that its glob matches, below `scratch`.

    Raises:
        DataError: no such protocol or package, nothing there, or it cannot be read.
    """
    shown = redact_text(url)
    filesystem, remote = _remote(shown, lambda: _listed(url))
    if not remote:
        raise DataError(f"{shown}: no file matches")
    for path in remote:
        rule = suffix_problem(url_path(path))
        if rule is not None:
            raise DataError(f"{shown}: {rule} in {redact_text(path)}")
    places = _places(remote, scratch)
    for path, place in zip(remote, places, strict=True):
        place.parent.mkdir(parents=True, exist_ok=True)
        _remote(shown, partial(filesystem.get_file, path, str(place)))
    return places


def _listed(url: str) -> Objects:
    import fsspec

    # Nothing of an earlier listing: objects may have been added since.
    filesystem, path = fsspec.core.url_to_fs(url, skip_instance_cache=True)
    if "*" not in url:
        return filesystem, [path]
    return filesystem, sorted(found for found in filesystem.glob(path) if filesystem.isfile(found))


def _places(remote: list[str], scratch: Path) -> list[Path]:
    """A folder for each file: two may share their name, which the digest is to see."""
    names = [PurePosixPath(url_path(path)).name for path in remote]
    return [scratch / "objects" / str(number) / name for number, name in enumerate(names)]


def _remote(shown: str, call: Callable[[], Result]) -> Result:
    """Do a remote call with retries, or say in a DataError what failed and what to do."""
    try:
        return retry(call)
    except GaveUp as gave_up:
        raise _as_data_error(shown, gave_up) from None  # its text may hold secrets


def _as_data_error(shown: str, gave_up: GaveUp) -> DataError:
    error = gave_up.cause
    if isinstance(error, ImportError):
        return DataError(f"{shown}: needs a package that is not installed: {_pip_line(shown)}")
    if isinstance(error, FileNotFoundError):
        return DataError(f"{shown}: no such object")
    if isinstance(error, ValueError) and "rotocol" in str(error):
        return DataError(f"{shown}: no such protocol; allowed: s3, gs, hf and others of fsspec")
    statuses = {status_of(link) for link in causes(error)}
    if isinstance(error, PermissionError) or statuses & {401, 403}:
        return DataError(f"{shown}: access is denied; check the credentials in the environment")
    return DataError(
        f"{shown}: cannot be read after {in_tries(gave_up.tries)}: {safe_text(error)}; "
        "check the address, its endpoint and the network, then run again"
    )


def _pip_line(shown: str) -> str:
    extra = EXTRAS.get(shown.split("://")[0].lower())
    if extra is not None:
        return f"pip install 'dpo-ray[{extra}]'"
    return "see fsspec's documentation of this protocol"
