"""Preparing: once, by whoever is there, and on from where a dead process stopped."""

import json
import subprocess
import sys
import time
from itertools import islice

import pytest

from dpo_ray.data.prepared import load_scored, parts_of
from dpo_ray.errors import DataError, PreparationFailed
from dpo_ray.search.preparation import Screen, prepare
from dpo_ray.training.in_process import InProcess
from dpo_ray.training.jobs import Outcome
from tests.conftest import ROOT
from tests.search.preparing import shared_preparation

pytestmark = pytest.mark.slow


class DyingAfter(InProcess):
    """Does so many jobs and then dies."""

    def __init__(self, jobs):
        super().__init__()
        self.left = jobs

    def run_all(self, jobs, check):
        for done in islice(super().run_all(jobs, check), self.left):
            self.left -= 1
            yield done
        if not self.left:
            raise KeyboardInterrupt


class Counting(InProcess):
    """Notes the jobs it does."""

    def __init__(self):
        super().__init__()
        self.done = []

    def run_all(self, jobs, check):
        for job, outcome in super().run_all(jobs, check):
            self.done.append(job)
            yield job, outcome


def begin(store):
    return subprocess.Popen(
        [sys.executable, "-m", "tests.search.preparing", str(store)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def scored(shared):
    return [load_scored(shared.prepared, split).to_list() for split in ("train", "test")]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The same preparation by one process that nothing happens to."""
    shared = shared_preparation(tmp_path_factory.mktemp("whole"))
    return shared, prepare(shared, InProcess(), Screen())


def test_a_preparation_that_was_cut_off_goes_on_with_the_shards_that_are_missing(tmp_path, whole):
    shared = shared_preparation(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        prepare(shared, DyingAfter(25), Screen())
    finished = sorted(path.name for path in parts_of(shared.prepared.scores).iterdir())
    assert finished
    assert not shared.prepared.scores.exists()

    workers, said, shares = Counting(), [], []

    def note(text, share):
        said.append(text)
        shares.append(share)

    done = prepare(shared, workers, Screen(progress=note))
    redone = [job.shard.name for job in workers.done if hasattr(job, "shard")]
    assert not set(redone) & set(finished)
    assert done.forwards < whole[1].forwards
    assert scored(shared) == scored(whole[0])
    assert next(text for text in reversed(said) if "judged" not in text).startswith("scores ")
    assert said[-1] == "judged 16/16 answers"
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert not parts_of(shared.prepared.scores).exists()


def test_a_killed_process_loses_at_most_the_shard_it_was_at(tmp_path, whole):
    process = begin(tmp_path)
    parts = tmp_path / "cache"
    deadline = time.monotonic() + 60
    while not list(parts.glob("scores-*.parts/[a-z]*")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.kill()
    process.communicate()
    shared = shared_preparation(tmp_path)
    done = prepare(shared, InProcess(), Screen())
    assert "tokens" not in done.made
    assert done.forwards < whole[1].forwards
    assert scored(shared) == scored(whole[0])


def test_of_two_processes_at_once_one_computes_and_the_other_waits(tmp_path, whole):
    both = [begin(tmp_path) for _ in range(2)]
    answers = [process.communicate(timeout=120) for process in both]
    done = [json.loads(answer.splitlines()[-1]) for answer, _ in answers]
    assert sum(each["forwards"] for each in done) == whole[1].forwards
    assert sorted(stage for each in done for stage in each["made"]) == sorted(whole[1].made)
    assert any("Waiting for another process" in errors for _, errors in answers)


def test_a_broken_job_ends_the_preparation_with_its_reason(tmp_path):
    class Broken(InProcess):
        def run_all(self, jobs, check):
            for job in jobs:
                yield job, Outcome("FAILED", "RuntimeError: no such kernel")

    with pytest.raises(PreparationFailed, match="no such kernel"):
        prepare(shared_preparation(tmp_path), Broken(), Screen())


def test_prompts_that_fill_the_limit_are_a_matter_of_data(tmp_path):
    with pytest.raises(DataError, match=r"every prompt has data\.max_length=2 tokens or more"):
        prepare(shared_preparation(tmp_path, "data.max_length=2"), InProcess(), Screen())
