"""A sweep of twelve trials as a journal, and short records to build smaller ones from."""

from pathlib import Path

import pytest
from mlflow import MlflowClient

from dpo_ray.tracking.journal import Journal, read_journal
from dpo_ray.tracking.mlflow_server import default_uri
from dpo_ray.tracking.records import (
    AnyRecord,
    ReferenceEnded,
    ReferenceMetrics,
    ReferenceStarted,
    SweepPlanned,
    TrialStarted,
)

EXAMPLE = Path(__file__).parents[1] / "report" / "example.journal.jsonl"


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory) -> Path:
    """MLflow's tables take seconds to make, so each test copies these."""
    folder = tmp_path_factory.mktemp("mlflow")
    MlflowClient(tracking_uri=default_uri(folder)).search_experiments()
    return folder / "mlflow.db"


@pytest.fixture
def example_journal(tmp_path: Path) -> Path:
    """The example sweep, with a small adapter folder for every trial that completed."""
    path = tmp_path / "journal.jsonl"
    path.write_text(EXAMPLE.read_text().replace("@STORE@", str(tmp_path)))
    for record in read_journal(path):
        if record.kind == "trial_ended" and record.adapter:
            Path(record.adapter).mkdir(parents=True)
            (Path(record.adapter) / "adapter_config.json").write_text("{}")
        if record.kind == "artifact":
            Path(record.path).write_bytes(b"a picture")
    return path


@pytest.fixture
def example(example_journal: Path) -> list[AnyRecord]:
    return read_journal(example_journal)


@pytest.fixture
def journal(tmp_path: Path):
    opened = Journal.create(tmp_path / "sweeps" / "live" / "journal.jsonl")
    yield opened
    opened.close()


@pytest.fixture
def planned() -> SweepPlanned:
    return SweepPlanned(name="live", plan={}, host="here", pid=1, versions={"ray": "2.60.0"})


@pytest.fixture
def started() -> TrialStarted:
    return TrialStarted(
        trial=0,
        params={"beta": 0.1},
        origin="control",
        slot="slot-0",
        folder="/store/t00",
        total_steps=60,
    )


@pytest.fixture
def sft() -> list[AnyRecord]:
    """The fine-tuning of a reference: a second a step, logged at 1, 30 and 60, done after 62 s."""
    losses = {1: 3.21, 30: 2.2, 60: 1.87}
    return [
        ReferenceStarted(
            settings={"mode": "lora", "epochs": 1.0, "source": None},
            model="/models/base",
            texts=158,
            cut=2,
            total_steps=60,
            slot="slot-0",
            time=1000.0,
        ),
        *(
            ReferenceMetrics(step=step, metrics={"train/loss": loss}, time=1000.0 + step)
            for step, loss in losses.items()
        ),
        ReferenceEnded(
            state="COMPLETED",
            reason="fine-tuned",
            step=60,
            seconds=62.0,
            model="/store/cache/model-1/model",
            time=1062.0,
        ),
    ]


@pytest.fixture
def found(sft: list[AnyRecord]) -> list[AnyRecord]:
    """The same, found in the cache by a later sweep."""
    begin, *steps, end = (record.model_copy(update={"time": 2000.0}) for record in sft)
    return [
        begin.model_copy(update={"slot": None}),
        *steps,
        end.model_copy(update={"reused": True, "reason": "found in the cache"}),
    ]
