"""The stage that makes or finds the fine-tuned reference, over a pool that only pretends."""

import pytest

from dpo_ray.config.reference import SftConfig
from dpo_ray.errors import ClusterUnreachable, DataError, Interrupted, ReferenceFailed
from dpo_ray.search.event_records import to_record
from dpo_ray.search.reference_stage import sft_reference
from dpo_ray.slots.events import SftEnded, SftLogged, SftStarted
from dpo_ray.tracking.journal import Journal, read_journal
from dpo_ray.tracking.state import fold
from dpo_ray.training.jobs import ModelSpec, Outcome, SftJob, Texts
from dpo_ray.training.sft_entry import SftHistory, write_history

LOG = [(1, {"train/loss": 3.2}), (5, {"train/loss": 1.9})]


class Pretending:
    """A pool whose slot writes what it says straight into the journal, then does as told."""

    def __init__(self, journal: Journal, outcome: Outcome) -> None:
        self.journal, self.outcome = journal, outcome
        self.cancelled = False

    def run(self, job, check):
        check()
        said = [SftStarted(job, "slot", 5, Texts(158, 2)), *(SftLogged(*each) for each in LOG)]
        for event in [*said, SftEnded(self.outcome)]:
            self.journal.append(to_record(event))
        if self.outcome.state == "COMPLETED":
            (job.target / "model").mkdir(parents=True)
            settings = job.settings.model_dump(mode="json")
            texts = Texts(used=158, cut=2)
            write_history(job.target, SftHistory("/base", settings, texts, 5, 42.0, LOG))
        return self.outcome

    def cancel_all(self, timeout_s):
        self.cancelled = True
        return True


@pytest.fixture
def job(tmp_path):
    return SftJob(
        ModelSpec(tmp_path / "base", "float32"), tmp_path, SftConfig(), 512, tmp_path / "entry"
    )


@pytest.fixture
def journal(tmp_path):
    opened = Journal.create(tmp_path / "journal.jsonl")
    yield opened
    opened.close()


def done(job):
    model = str(job.target / "model")
    return Outcome("COMPLETED", "fine-tuned", step=5, seconds=42.0, model=model)


def test_the_reference_is_the_model_inside_the_entry(job, journal):
    assert sft_reference(job, Pretending(journal, done(job)), journal, lambda: None) == (
        job.target / "model"
    )
    row = fold(read_journal(journal.path)).sft
    assert (row.status, row.slot, row.reused, row.texts, row.cut) == (
        "COMPLETED",
        "slot",
        False,
        158,
        2,
    )


def test_one_that_is_there_is_not_made_again_but_journaled_with_its_losses(job, journal, tmp_path):
    sft_reference(job, Pretending(journal, done(job)), journal, lambda: None)
    with_later = Journal.create(tmp_path / "later.jsonl")
    assert sft_reference(job, None, with_later, lambda: None) == job.target / "model"
    with_later.close()
    begin, *steps, end = read_journal(tmp_path / "later.jsonl")
    assert (begin.kind, begin.slot, begin.texts, begin.cut) == ("reference_started", None, 158, 2)
    assert begin.settings == job.settings.model_dump(mode="json")
    assert [(step.step, step.metrics) for step in steps] == LOG
    assert (end.kind, end.state, end.reused, end.step, end.seconds) == (
        "reference_ended",
        "COMPLETED",
        True,
        5,
        42.0,
    )
    assert end.model == str(job.target / "model")


@pytest.mark.parametrize(
    ("fatal", "error"),
    [(None, ReferenceFailed), ("data", DataError), ("workers", ClusterUnreachable)],
)
def test_one_that_broke_ends_the_sweep_with_its_reason(job, journal, fatal, error):
    pool = Pretending(journal, Outcome("FAILED", "the reason", step=4, fatal=fatal))
    with pytest.raises(error, match="the reason"):
        sft_reference(job, pool, journal, lambda: None)
    assert fold(read_journal(journal.path)).sft.status == "FAILED"


def test_an_interrupt_cancels_it(job, journal):
    def interrupt():
        raise Interrupted("interrupted by SIGINT")

    pool = Pretending(journal, done(job))
    with pytest.raises(Interrupted):
        sft_reference(job, pool, journal, interrupt)
    assert pool.cancelled
