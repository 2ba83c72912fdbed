from typer.testing import CliRunner

from benchmarks.__main__ import app


def test_help_says_what_is_measured_and_what_is_off() -> None:
    shown = CliRunner().invoke(app, ["--help"])
    assert shown.exit_code == 0
    for words in (
        "8-step trials",
        "12 trials of 60 steps",
        "Evaluation and early stopping are off",
    ):
        assert words in shown.output


def test_an_unknown_table_is_refused_before_anything_runs() -> None:
    refused = CliRunner().invoke(app, ["--only", "everything"])
    assert refused.exit_code == 2
    assert "marginal" in refused.output
