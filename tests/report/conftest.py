"""The example sweep: twelve trials, of which three were stopped and one failed."""

from pathlib import Path

import pytest

from dpo_ray.tracking.journal import read_journal
from dpo_ray.tracking.records import AnyRecord
from dpo_ray.tracking.state import SweepState, fold


@pytest.fixture
def records() -> list[AnyRecord]:
    return read_journal(Path(__file__).with_name("example.journal.jsonl"))


@pytest.fixture
def state(records) -> SweepState:
    return fold(records)
