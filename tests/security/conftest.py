"""A hub on loopback that this process takes for the real one, and a model to put there."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import datasets
import huggingface_hub
import pytest
from huggingface_hub import constants

from dpo_ray.data import retrying
from dpo_ray.reference.model import model_folder
from tests.data.hub_server import Hub, Repo, running_hub
from tests.training import conftest as training

desk, make_job = training.desk, training.make_job


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with running_hub() as server:
        template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(retrying, "FIRST_WAIT", 0.01)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(datasets.config, "HF_ENDPOINT", server.url)
        monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
        huggingface_hub.HfFileSystem.clear_instance_cache()
        yield server
        huggingface_hub.close_session()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A copy of the embedded model."""
    return Path(shutil.copytree(model_folder("embedded"), tmp_path / "model"))


def repo_of(folder: Path, **more: bytes) -> Repo:
    """Return a hub's repository with the files of a folder, and more."""
    files = {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}
    return Repo({**files, **more})
