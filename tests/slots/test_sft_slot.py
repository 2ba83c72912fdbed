"""The reference's fine-tuning in real slots: its loss in the journal, its ranks of one mind."""

import time
from contextlib import contextmanager
from dataclasses import dataclass, replace

import datasets
import pytest
import torch
from safetensors.torch import load_file

from dpo_ray.config.reference import SftConfig
from dpo_ray.data.rows import load_rows
from dpo_ray.errors import Interrupted
from dpo_ray.search.pump import EventPump
from dpo_ray.search.reference_stage import sft_reference
from dpo_ray.slots.pool import SlotPool
from dpo_ray.tracking.journal import Journal, read_journal
from dpo_ray.tracking.state import fold
from dpo_ray.training.jobs import SftJob

pytestmark = pytest.mark.slow
SETTINGS = {"max_steps": 12, "batch_size": 8, "logging_steps": 1, "learning_rate": 2e-3}


@pytest.fixture(scope="module")
def texts(inputs, tmp_path_factory):
    rows = load_rows(inputs.pairs.folder, "train").select(range(96))
    columns = {"prompt": list(rows["prompt"]), "completion": list(rows["chosen"])}
    folder = tmp_path_factory.mktemp("texts") / "saved"
    datasets.Dataset.from_dict(columns).save_to_disk(str(folder))
    return folder


@pytest.fixture
def make_sft(inputs, texts, tmp_path):
    def make(name, **fields):
        settings = SftConfig.model_validate({**SETTINGS, **fields})
        model = replace(inputs.model, dtype="float32")
        return SftJob(model, texts, settings, 512, tmp_path / name)

    return make


@contextmanager
def followed(pool, path):
    """The pool as a sweep has it: with one pump, into one journal."""
    journal = Journal.create(path)
    with EventPump(pool.slots, journal, lambda _: None):
        yield Followed(pool, journal)
    journal.close()


@dataclass
class Followed:
    pool: SlotPool
    journal: Journal

    def run(self, job, check=lambda: None):
        """Run a job; return its records."""
        sft_reference(job, self.pool, self.journal, check)
        return self.records()

    def records(self):
        """The records since the latest beginning."""
        records = read_journal(self.journal.path)
        begins = [r.seq for r in records if r.kind == "reference_started"]
        return records[begins[-1] :] if begins else []


@pytest.fixture(scope="module")
def one(one_worker, tmp_path_factory):
    with followed(one_worker, tmp_path_factory.mktemp("sft") / "journal.jsonl") as pool:
        yield pool


def losses(records):
    return [r.metrics["train/loss"] for r in records if r.kind == "reference_metrics"]


def test_the_loss_is_in_the_journal_while_it_falls(one, make_sft):
    seen, job = [], make_sft("a", max_steps=40)
    records = one.run(job, lambda: seen.append(len(losses(one.records()))))
    assert [record.kind for record in records[-2:]] == ["reference_metrics", "reference_ended"]
    assert len(losses(records)) == 40
    assert any(0 < count < 40 for count in seen)
    assert fold(records).sft.model == str(job.target / "model")


@pytest.mark.parametrize("mode", ["full", "lora"])
def test_two_workers_make_the_reference_one_would(one, open_pool, make_sft, tmp_path, mode):
    alone, shared = make_sft("one", mode=mode), make_sft("two", mode=mode)
    by_one = losses(one.run(alone))
    with (
        open_pool(f"sft-pair-{mode}", workers=2) as slots,
        followed(slots, tmp_path / "journal.jsonl") as two,
    ):
        by_two = losses(two.run(shared))
    assert by_two == pytest.approx(by_one, abs=1e-4)
    first, second = (load_file(job.target / "model/model.safetensors") for job in (alone, shared))
    gaps = [(first[name] - second[name]).abs().max() for name in first]
    assert torch.stack(gaps).max() < 1e-4


def test_an_interrupt_stops_it_between_two_steps_and_writes_nothing(one, make_sft):
    job = make_sft("a", max_steps=100_000)

    def interrupt():
        if fold(one.records()).sft.total_steps == 100_000:
            raise Interrupted("interrupted by SIGINT")

    with pytest.raises(Interrupted):
        one.run(job, interrupt)
    deadline = time.monotonic() + 10
    while fold(one.records()).sft.status == "RUNNING" and time.monotonic() < deadline:
        time.sleep(0.1)
    sft = fold(one.records()).sft
    assert (sft.status, sft.model) == ("KILLED", None)
    assert not job.target.exists()
