"""A way to the screen for the last word of a process that hangs in C."""

import os
from collections.abc import Iterator

import pytest

from tests.fuzz import fuzzing


@pytest.fixture(scope="session", autouse=True)
def screen(request: pytest.FixtureRequest) -> Iterator[None]:
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        shown = os.dup(2)
    with pytest.MonkeyPatch.context() as patch, os.fdopen(shown, "w") as stream:
        patch.setattr(fuzzing, "screen", stream)
        yield
