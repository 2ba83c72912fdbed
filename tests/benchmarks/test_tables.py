import io
import json

from rich.console import Console

from benchmarks.comparisons import comparisons
from benchmarks.ratios import bars
from benchmarks.tables import as_json, print_bars, print_comparison
from benchmarks.task import Observed
from benchmarks.timeline import Timeline

MEASURED = {
    "a": Timeline(
        0.0,
        40.0,
        Observed(first_step=20, ended=(21, 22, 23.5), gaps=(0.4, 0.6), spent={"prepare": 7.04}),
    ),
    "b": Timeline(0.0, 90.0, Observed(first_step=30, ended=(33, 66))),
}


def test_the_table_has_a_row_per_pattern_with_a_dash_for_what_it_has_not() -> None:
    stream = io.StringIO()
    marginal = comparisons(quick=False, only="marginal")[0]
    print_comparison(marginal, MEASURED, Console(file=stream, width=100))
    rows = {
        line.split("│")[1].strip(): [cell.strip() for cell in line.split("│")[2:-1]]
        for line in stream.getvalue().splitlines()
        if line.startswith("│ (")
    }
    assert rows["(a)"] == ["3", "40.0", "20.0", "13.3", "1.2", "0.5", "0.6"]
    assert rows["(b)"] == ["2", "90.0", "30.0", "45.0", "33.0", "-", "-"]
    assert "(a) prepare: 7.0 s of its start-up" in stream.getvalue()


def test_a_bar_is_printed_with_its_value_and_what_was_expected() -> None:
    stream = io.StringIO()
    print_bars(bars({"marginal": MEASURED}), Console(file=stream, width=100))
    assert "(b) / (a): 26.40 (expected >= 10)" in stream.getvalue()


def test_the_json_holds_every_figure_of_the_table() -> None:
    written = json.loads(json.dumps(as_json({"marginal": MEASURED}, bars({"marginal": MEASURED}))))
    figures = written["tables"]["marginal"]["a"]
    assert (figures["marginal"], figures["gaps"], figures["largest_gap"]) == (1.25, [0.4, 0.6], 0.6)
    assert written["bars"][0]["rule"] == "expected >= 10"
