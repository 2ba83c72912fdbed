from typer.testing import CliRunner

from benchmarks.__main__ import app
from benchmarks.measures import measures


def test_help_says_what_is_measured_and_how_it_is_made_fair() -> None:
    shown = CliRunner().invoke(app, ["--help"])
    assert shown.exit_code == 0
    for words in (
        "8-step trials",
        "12 trials of 60 steps",
        "Trials of `marginal` are not judged",
        "64 held-out",
        "Confirmation is off",
        "MedianPruner",
        "only by --only rows",
        "--only mirror",
    ):
        assert words in shown.output


def test_an_unknown_table_is_refused_before_anything_runs() -> None:
    refused = CliRunner().invoke(app, ["--only", "everything"])
    assert refused.exit_code == 2
    assert "marginal" in refused.output


def test_a_full_run_leaves_out_only_what_is_made_by_name() -> None:
    everything = {"reference", "workers", "profile", "rows", "mirror"}
    assert everything - set(measures(None)) == {"rows", "mirror"}
    assert measures("rows") == ["rows"]
    assert measures("wide") == []
