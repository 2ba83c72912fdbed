"""An interrupted trial goes on as if it had never stopped."""

import json
import resource
import shutil
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from dpo_ray.data.trial_files import ERROR_LOG, resume_folder, resume_folders
from dpo_ray.ranks import Ranks
from dpo_ray.training.attempt import attempt
from dpo_ray.training.checkpoints import MANIFEST, find_resumable
from dpo_ray.training.desk import Desk
from dpo_ray.training.mailbox import MailboxGone
from dpo_ray.training.trial import run_trial
from tests.training.conftest import InProcessMailbox

FULL = {"mode": "full", "learning_rate": 2e-4}
OFTEN = ("training.checkpoint_steps=3", "training.logging_steps=2", "evaluation.at=[1.0]")


class Killed(BaseException):
    """Stands for the end of the process: no trial catches it."""


class DyingMailbox(InProcessMailbox):
    """The process ends when the metrics of step 6 are told; step 3 has a checkpoint."""

    def log(self, job_id, step, metrics, system=None):
        if step == 6:
            raise Killed
        super().log(job_id, step, metrics, system)


class ThreeStepDesk(Desk):
    """With so few pairs that an epoch has three steps."""

    def training_rows(self, prepared):
        return super().training_rows(prepared).select(range(48))


@pytest.fixture(scope="module")
def short():
    return ThreeStepDesk(Ranks(), torch.device("cpu"))


def killed_and_resumed(job, desk):
    """Kill the trial after step 5 and go on; return both lives' mailboxes and the end."""
    struck, rest = DyingMailbox(), InProcessMailbox()
    with pytest.raises(Killed):
        run_trial(job, 1, desk, struck)
    return struck, rest, run_trial(replace(job, resume=True, seen_log=3), 2, desk, rest)


def weights(outcome):
    return load_file(next(Path(outcome.adapter or outcome.model).glob("*.safetensors")))


def same_weights(first, second):
    one, other = weights(first), weights(second)
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


class Deaf(InProcessMailbox):
    """The sweep was told to end while a trial was evaluated: no rung is passed on any more."""

    def report(self, job_id, step, fraction, metrics):
        return "cancel"


@pytest.mark.parametrize(
    ("cut", "seen_rung"),
    [(InProcessMailbox({4: "cancel"}), 4), (Deaf(), -1)],
    ids=["after the rung", "during its evaluation"],
)
@pytest.mark.parametrize("params", [{}, FULL], ids=["lora", "full"])
def test_a_cancelled_trial_goes_on_to_the_bits_of_an_uninterrupted_one(
    make_job, short, tmp_path, params, cut, seen_rung
):
    cut, whole, rest = deepcopy(cut), InProcessMailbox(), InProcessMailbox()
    end = run_trial(make_job(tmp_path / "a", **params), 1, short, whole)
    job = make_job(tmp_path / "b", **params)
    assert run_trial(job, 1, short, cut).state == "KILLED"
    known = replace(job, resume=True, seen_log=4, seen_rung=seen_rung)
    outcome = run_trial(known, 2, short, rest)
    assert (outcome.state, rest.began_at) == ("COMPLETED", 4)
    assert cut.logs + rest.logs == whole.logs
    assert cut.rungs + rest.rungs == whole.rungs
    assert same_weights(outcome, end)


def test_a_rung_that_nobody_heard_of_may_be_the_last(make_job, desk, tmp_path):
    """What it is told there, before its first step, is obeyed."""
    job = make_job(tmp_path)
    run_trial(job, 1, desk, Deaf())
    again = InProcessMailbox({4: "stop"})
    outcome = run_trial(replace(job, resume=True, seen_log=4), 2, desk, again)
    assert (outcome.state, outcome.step) == ("STOPPED", 4)
    assert ([rung[0] for rung in again.rungs], again.logs) == ([4], [])
    assert Path(outcome.adapter).is_dir()


def test_a_killed_trial_repeats_the_steps_since_its_checkpoint_to_the_bit(
    make_job, short, tmp_path
):
    """The checkpoint stands between two logging steps and at the end of an epoch."""
    whole = InProcessMailbox()
    end = run_trial(make_job(tmp_path / "a", *OFTEN), 1, short, whole)
    struck, rest, outcome = killed_and_resumed(make_job(tmp_path / "b", *OFTEN), short)
    assert rest.began_at == 3
    assert [step for step, _ in rest.logs] == [4, 6, 8]
    assert struck.logs == whole.logs[:2]
    assert rest.logs == whole.logs[1:]
    assert rest.rungs == whole.rungs
    assert same_weights(outcome, end)


def test_a_trial_that_nobody_hears_any_more_leaves_its_checkpoint(make_job, desk, tmp_path):
    """A worker may outlive its slot by a few steps: that is no failure of the trial."""

    class Unheard(InProcessMailbox):
        def log(self, job_id, step, metrics, system=None):
            if step == 6:
                raise MailboxGone("the actor died")

    job, rest = make_job(tmp_path, *OFTEN), InProcessMailbox()
    with pytest.raises(MailboxGone):
        run_trial(job, 1, desk, Unheard())
    assert not (tmp_path / ERROR_LOG).exists()
    run_trial(replace(job, resume=True), 2, desk, rest)
    assert rest.began_at == 3


def test_a_trial_whose_end_nobody_wrote_down_goes_on_from_its_last_checkpoint(
    make_job, short, tmp_path
):
    """Slot and driver may die when all is done but the last line of the journal."""
    job, whole, rest = make_job(tmp_path, *OFTEN), InProcessMailbox(), InProcessMailbox()
    end = run_trial(job, 1, short, whole)
    before = weights(end)
    known = replace(job, resume=True, seen_log=8, seen_rung=8)
    outcome = run_trial(known, 2, short, rest)
    assert (outcome.state, outcome.step, rest.began_at) == ("COMPLETED", 8, 6)
    after = weights(outcome)
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in after)


def test_a_line_that_was_lost_on_its_way_out_is_told_again(make_job, desk, tmp_path):
    """The checkpoint of step 4 knows all lines up to there; the journal has two of them."""
    whole, rest = InProcessMailbox(), InProcessMailbox()
    run_trial(make_job(tmp_path / "a"), 1, desk, whole)
    job = make_job(tmp_path / "b")
    run_trial(job, 1, desk, InProcessMailbox({4: "cancel"}))
    run_trial(replace(job, resume=True, seen_log=2, seen_rung=4), 2, desk, rest)
    assert rest.logs == whole.logs[2:]


def test_accumulated_gradients_go_on_too(make_job, short, tmp_path):
    parts = (*OFTEN, "training.gradient_accumulation=4")
    whole = InProcessMailbox()
    run_trial(make_job(tmp_path / "a", *parts), 1, short, whole)
    _, rest, _ = killed_and_resumed(make_job(tmp_path / "b", *parts), short)
    assert rest.logs == whole.logs[1:]


def test_a_trial_without_checkpoint_begins_again(make_job, desk, tmp_path):
    whole, again = InProcessMailbox(), InProcessMailbox()
    job = make_job(tmp_path)
    run_trial(job, 1, desk, whole)
    run_trial(replace(job, resume=True, folder=tmp_path / "empty"), 2, desk, again)
    assert again.began_at == 0
    assert again.logs == whole.logs


def test_a_trial_that_is_not_resumed_finds_nothing_of_its_earlier_life(make_job, desk, tmp_path):
    job = make_job(tmp_path)
    run_trial(job, 1, desk, InProcessMailbox({4: "cancel"}))
    sick = replace(job.configured(0, {"learning_rate": 1e30}, "sampler"), folder=job.folder)
    assert run_trial(sick, 2, desk, InProcessMailbox()).state == "FAILED"
    assert [path.name for path in job.folder.iterdir()] == []


@pytest.fixture(scope="module")
def cut_job(make_job, desk, tmp_path_factory):
    """A job cancelled at step 4; its folder holds what it goes on from."""
    job = make_job(tmp_path_factory.mktemp("cut"))
    run_trial(job, 1, desk, InProcessMailbox({4: "cancel"}))
    return job


def test_only_the_last_checkpoint_stays(make_job, desk, tmp_path):
    job = make_job(tmp_path, "training.checkpoint_steps=1", "evaluation.at=[1.0]")
    run_trial(job, 1, desk, InProcessMailbox(at_poll="cancel"))
    assert resume_folders(job.folder) == [resume_folder(job.folder, 5)]
    assert not list(job.folder.glob(".*"))


def test_its_checkpoint_belongs_to_the_job_that_wrote_it(cut_job):
    assert find_resumable(cut_job, world=1) == resume_folder(cut_job.folder, 4)


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"batch_size": 8},
        {"max_steps": 20},
        {"target_modules": ["q_proj"]},
        {"learning_rate": 1e-3},
        {"mode": "full"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_training_does_not_go_on_from_it(cut_job, change):
    other = replace(cut_job, training=cut_job.training.model_copy(update=change))
    assert find_resumable(other, world=1) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda job: replace(job, max_length=100),
        lambda job: replace(job, model=replace(job.model, dtype="bfloat16")),
        lambda job: replace(job, prepared=replace(job.prepared, tokens=Path("/other"))),
    ],
    ids=["max_length", "dtype", "rows"],
)
def test_another_model_or_other_rows_do_not_either(cut_job, change):
    assert find_resumable(change(cut_job), world=1) is None
    assert find_resumable(cut_job, world=2) is None


@pytest.mark.parametrize(
    "name",
    [
        "trainer_state.json",
        "optimizer.pt",
        "scheduler.pt",
        "rng_state.pth",
        "meters_0.json",
        "adapter_model.safetensors",
        MANIFEST,
    ],
)
def test_a_checkpoint_that_lacks_a_file_does_not_count(cut_job, tmp_path, name):
    job = copied(cut_job, tmp_path)
    (resume_folder(job.folder, 4) / name).unlink()
    assert find_resumable(job, world=1) is None


def test_a_torn_file_or_manifest_does_not_count(cut_job, tmp_path):
    for name in ("optimizer.pt", MANIFEST):
        job = copied(cut_job, tmp_path / name)
        path = resume_folder(job.folder, 4) / name
        path.write_bytes(path.read_bytes()[:-9])
        assert find_resumable(job, world=1) is None


@pytest.mark.parametrize("name", ["optimizer.pt", "scheduler.pt", "rng_state.pth"])
def test_a_pickle_that_would_run_code_is_refused(cut_job, desk, tmp_path, name):
    job, ran = copied(cut_job, tmp_path), tmp_path / "ran"
    folder = resume_folder(job.folder, 4)
    torch.save(Touch(ran), folder / name)
    forged = shutil.copy(folder / name, tmp_path / "forged")
    adjust_size(folder, name)
    outcome = run_trial(replace(job, resume=True), 1, desk, InProcessMailbox())
    assert outcome.state == "FAILED"
    assert "UnpicklingError" in outcome.reason
    assert not ran.exists()
    torch.load(forged, weights_only=False)
    assert ran.exists()  # so it would have


def test_weights_are_never_read_from_a_pickle(cut_job, tmp_path):
    job = copied(cut_job, tmp_path)
    folder = resume_folder(job.folder, 4)
    torch.save({}, folder / "adapter_model.bin")
    (folder / "adapter_model.safetensors").unlink()
    adjust_size(folder, "adapter_model.bin", gone="adapter_model.safetensors")
    assert find_resumable(job, world=1) is None


def test_a_disk_that_is_full_leaves_the_checkpoint_before_whole(make_job, desk, tmp_path):
    """The limit on a file's size stands for the disk's: a write fails in its midst."""
    job = make_job(tmp_path, "training.checkpoint_steps=2", "evaluation.at=[1.0]")
    with small_files_only() as start:
        outcome = attempt(job, 1, desk, FullDiskMailbox(start))
    assert (outcome.state, outcome.fatal) == ("KILLED", "store")
    assert outcome.reason.startswith("step 4: could not write a checkpoint: ")
    assert "MB are free" in outcome.reason
    assert find_resumable(job, world=1) == resume_folder(job.folder, 2)
    assert not list(job.folder.glob(".*"))


class FullDiskMailbox(InProcessMailbox):
    def __init__(self, fill):
        super().__init__()
        self.fill = fill

    def log(self, job_id, step, metrics, system=None):
        if step == 3:
            self.fill()


@contextmanager
def small_files_only():
    """Yield what makes writing more than 8 KB to one file fail."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (8192, hard))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def copied(job, folder):
    """Return the job with a copy of its folder."""
    return replace(job, folder=Path(shutil.copytree(job.folder, folder / "copy")))


def adjust_size(folder, name, gone=None):
    """Have the manifest name a file's present size, as one who forges it would."""
    facts = json.loads((folder / MANIFEST).read_text())
    facts["sizes"].pop(gone, None)
    facts["sizes"][name] = (folder / name).stat().st_size
    (folder / MANIFEST).write_text(json.dumps(facts))
