"""A hub on loopback that this process takes for the real one, for the length of a situation."""

from collections.abc import Iterator
from contextlib import contextmanager

import datasets
import huggingface_hub
from huggingface_hub import constants

from dpo_ray.data import retrying
from tests.data.hub_server import Hub, running_hub
from tests.errors.book import Place


@contextmanager
def on_a_hub(place: Place, offline: bool = False) -> Iterator[Hub]:
    with running_hub() as server:
        template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
        place.patch.setattr(retrying, "FIRST_WAIT", 0.01)
        place.patch.setattr(constants, "HF_HUB_CACHE", str(place.folder / "hub"))
        place.patch.setattr(constants, "ENDPOINT", server.url)
        place.patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        place.patch.setattr(constants, "HF_HUB_OFFLINE", offline)
        place.patch.setattr(datasets.config, "HF_ENDPOINT", server.url)
        place.patch.setattr(datasets.config, "HF_HUB_OFFLINE", offline)
        huggingface_hub.HfFileSystem.clear_instance_cache()
        yield server
        huggingface_hub.close_session()
