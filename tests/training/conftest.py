"""A trial without Ray: the training loop's own mailbox protocol, in this process."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch

from dpo_ray.plan import Plan
from dpo_ray.ranks import Ranks
from dpo_ray.search.inputs import check_inputs, preparation
from dpo_ray.search.preparation import Screen, prepare, trial_template
from dpo_ray.training.desk import Desk
from dpo_ray.training.in_process import InProcess
from dpo_ray.training.jobs import Outcome, Texts, TrialJob, Verdict
from dpo_ray.training.mailbox import Handed


@dataclass
class InProcessMailbox:
    """Notes what a trial says and answers rungs and polls from a script."""

    at_rungs: dict[int, Verdict] = field(default_factory=dict)
    at_poll: Verdict = "continue"
    logs: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    rungs: list[tuple[int, float, dict[str, float]]] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    total_steps: int = 0
    began_at: int = 0
    texts: Texts | None = None

    def next_job(self, last: int) -> Handed:
        return Handed(closed=True)

    def started(
        self, job_id: int, total_steps: int, texts: Texts | None = None, step: int = 0
    ) -> None:
        self.total_steps, self.texts, self.began_at = total_steps, texts, step

    def log(
        self,
        job_id: int,
        step: int,
        metrics: dict[str, float],
        system: dict[str, float] | None = None,
    ) -> None:
        self.logs.append((step, metrics))

    def report(self, job_id: int, step: int, fraction: float, metrics: dict[str, float]) -> Verdict:
        self.rungs.append((step, fraction, metrics))
        return self.at_rungs.get(step, "continue")

    def wrote(self, job_id: int, path: str, folder: str, table: bool = False) -> None:
        self.files.append(path)

    def poll(self, job_id: int) -> Verdict:
        return self.at_poll

    def finish(self, job_id: int, outcome: Outcome) -> None:
        raise AssertionError("run_trial returns its outcome")

    def train(self, name: str) -> list[float]:
        """One of TRL's training metrics at every logged step."""
        return [metrics[f"train/{name}"] for _, metrics in self.logs]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Summation order, and so the last bits, depend on the number of threads."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def desk() -> Desk:
    """A worker's memory, shared by all tests: trials must leave it as it was."""
    return Desk(Ranks(), torch.device("cpu"))


@pytest.fixture(scope="session")
def make_job(desk: Desk, small_plan: Callable[..., Plan]) -> Callable[..., TrialJob]:
    """Make a trial job over prepared data; keyword arguments are searched fields."""

    def make(folder: Path, *overrides: str, trial: int = 0, **params: float) -> TrialJob:
        plan = small_plan(*overrides)
        inputs = check_inputs(plan.sweep, plan.store)
        shared = preparation(inputs, plan.sweep)
        prepare(shared, InProcess(desk), Screen())
        template = trial_template(plan.sweep, shared, folder)
        return template.configured(trial, params, "sampler")

    return make
