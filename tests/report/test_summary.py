"""The end of a sweep tells who won, what to believe and where to look, on any terminal."""

import io
import shlex
import sys
from pathlib import Path

import pytest
from rich.console import Console

from dpo_ray.report.summary import counts, print_summary, ui_command
from dpo_ray.tracking.records import ArtifactWritten
from dpo_ray.tracking.state import SweepState, fold

URI = "sqlite:////my store/mlflow.db"


def printed(state: SweepState, width: int = 80, **places) -> str:
    console = Console(file=io.StringIO(), width=width)
    print_summary(console, state, URI, **places)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [80, 160])
def test_the_table_fits_and_marks_best_default_reference_and_ends(state, width):
    table = printed(state, width).split("Best by")[0].splitlines()
    assert max(map(len, table)) <= width
    rows = [line for line in table if "[0." in line]
    assert len(rows) == 13
    marked = {row.split()[-1] for row in rows}
    assert {"best", "default", "reference", "stopped", "failed"} <= marked


def test_the_best_is_given_with_its_interval_adapter_and_figure(state):
    text = printed(state)
    assert (
        "Best by win_rate: t10, beta 0.102, learning_rate 4.79e-3, lora_rank 8: 0.75 [0.68, 0.83]."
    ) in text
    assert "Adapter:  @STORE@/sweeps/beta-1a2b3c4d/t10/adapter" in text
    assert "Figure:   @STORE@/sweeps/beta-1a2b3c4d/sweep.png" in text
    assert "Report:" not in text
    state.artifacts.append(ArtifactWritten(path="/s/report.html"))
    assert "Report:   /s/report.html\n" in printed(state)


def test_a_fully_trained_best_is_given_as_a_model(state):
    best = state.trials[10]
    best.adapter, best.model = None, "/store/t10/model"
    text = printed(state)
    assert "Model:    /store/t10/model" in text
    assert "Adapter:" not in text


def test_counts_say_where_the_configurations_came_from_and_how_they_ended(state):
    assert counts(state) == (
        "12 trials in 1 min 20 s (9.0 trials/min): 8 completed, 3 stopped early, 1 failed; "
        "8 configurations came from the sampler."
    )


def test_the_ui_command_can_be_pasted():
    words = shlex.split(ui_command(URI))
    assert words[words.index("--backend-store-uri") + 1] == URI
    assert words[-2:] == ["--host", "127.0.0.1"]
    # From where the sweep ran, a Python of its own is named by its short path.
    python = Path(words[0]).absolute()
    assert words[0] == "mlflow" or (
        python == Path(sys.executable) and words[1:3] == ["-m", "mlflow"]
    )


def test_a_stores_own_database_is_opened_by_the_shorter_command(tmp_path, monkeypatch):
    command = tmp_path / "bin" / "dpo-ray"
    command.parent.mkdir()
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(command.parent))
    monkeypatch.chdir(tmp_path)
    uri = "sqlite:///{}/mlflow.db"
    elsewhere = ui_command(uri.format("/my store"), "beta")
    assert shlex.split(elsewhere) == ["dpo-ray", "ui", "beta", "--store", "/my store"]
    assert ui_command(uri.format(tmp_path / "store"), "beta") == "dpo-ray ui beta"
    assert "mlflow" in ui_command("sqlite:////data/all.db", "beta")


def test_a_server_is_opened_by_its_address_without_the_password():
    assert ui_command("http://bob:s3cret@mlflow:5000") == "http://***@mlflow:5000"


def test_the_comparison_is_linked_where_it_is_known(state):
    view = "#/experiments/7/runs?viewStateShareKey=beta"
    assert f"then open http://127.0.0.1:5000/{view}\n" in printed(state, view=view)
    assert "then open" not in printed(state)


def test_any_prefix_of_a_sweep_can_be_summed_up(records):
    for count in range(0, len(records), 7):
        assert "Compare:" in printed(fold(records[:count]))
