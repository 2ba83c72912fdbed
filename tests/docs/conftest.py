"""A folder like a user's, which the pages' commands are run in."""

import os
import shutil

import pytest

from dpo_ray.nightly.ledger import Ledger, Watched
from dpo_ray.reference.model import EMBEDDED, model_folder
from tests.conftest import ROOT


@pytest.fixture(scope="session")
def place(shipped, store, tmp_path_factory):
    """A folder like a user's: shipped files, pairs and model of one's own, a finished sweep."""
    assert shipped.code == 0, shipped.errors
    folder = tmp_path_factory.mktemp("project")
    for name in ("search_spaces", "sweeps"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copytree(model_folder(EMBEDDED), folder / "my-model")
    pairs = (ROOT / "dpo_ray/demo/assets/pairs.jsonl").read_text(encoding="utf-8").splitlines()
    (folder / "my_pairs.jsonl").write_text("\n".join(pairs[:200]) + "\n", encoding="utf-8")
    (folder / "store").symlink_to(store)
    # From now on ticks count, so that none is due whatever the hour.
    Ledger(store / "schedules" / "nightly").append(Watched(pid=os.getpid()))
    return folder
