import io
import json

from rich.console import Console

from benchmarks.comparisons import comparisons
from benchmarks.ratios import bars
from benchmarks.tables import as_json, print_bars, print_comparison
from benchmarks.task import Observed, Quality
from benchmarks.timeline import Timeline
from benchmarks.usage import Usage

MEASURED = {
    "a": Timeline(
        0.0,
        40.0,
        Observed(
            first_step=20,
            ended=(21, 22, 23.5),
            gaps=(0.4, 0.6),
            spent={"prepare": 7.04},
            steps=24,
            whole=(Quality(accuracy=0.8125, margin=5.25), Quality(accuracy=0.75, margin=6.0)),
        ),
        Usage(cpu_s=61.4, peak_mib=2048.3),
    ),
    "b": Timeline(0.0, 90.0, Observed(first_step=30, ended=(33, 66))),
    "e": Timeline(0.0, 20.0, Observed(first_step=9, ended=(10, 11), threads=2)),
    "a+": Timeline(0.0, 30.0, Observed(first_step=9, ended=(10, 10.5))),
}


def test_the_table_has_a_line_per_pattern_with_a_dash_for_what_it_has_not() -> None:
    stream = io.StringIO()
    marginal = comparisons(quick=False, only="marginal")[0]
    print_comparison(marginal, MEASURED, Console(file=stream, width=100))
    shown = stream.getvalue()
    rows = {
        line.split("│")[1].strip(): [cell.strip() for cell in line.split("│")[2:-1]]
        for line in shown.splitlines()
        if line.startswith("│ (")
    }
    assert rows["(a)"] == ["3", "24", "40.0", "13.3", "1.2", "1.25", "61", "2048", "0.812", "5.2"]
    assert rows["(b)"] == ["2", "0", "90.0", "45.0", "33.0", "33.00", "-", "-", "-", "-"]
    assert rows["(e)"][5] == "1.00"
    assert rows["(a)+"][4:6] == ["0.5", "0.50"]
    assert "(a) prepare: 7.0 s of its start-up" in shown
    assert "(a) start-up, until the first optimizer step: 20.0 s" in shown
    assert "the next one's first step: median 0.5 s, largest 0.6 s" in shown
    assert "(e) threads: 2, the faster choice" in shown


def test_a_bar_is_printed_with_its_value_and_what_was_expected() -> None:
    stream = io.StringIO()
    print_bars(bars({"marginal": MEASURED}), Console(file=stream, width=100))
    assert "(b) / (a): 26.40 (expected >= 10)" in stream.getvalue()


def test_the_json_holds_every_figure_of_the_table() -> None:
    written = json.loads(json.dumps(as_json({"marginal": MEASURED}, bars({"marginal": MEASURED}))))
    figures = written["tables"]["marginal"]["a"]
    assert (figures["marginal"], figures["gaps"], figures["largest_gap"]) == (1.25, [0.4, 0.6], 0.6)
    assert (figures["cpu_s"], figures["accuracy"], figures["over_floor"]) == (61.4, 0.8125, 1.25)
    assert written["tables"]["marginal"]["b"]["cpu_s"] is None
    assert written["bars"][0]["rule"] == "expected >= 10"
