"""The data report: the same words on the screen and in MLflow, and a dataset input of the run."""

import json

import mlflow
import pytest

from dpo_ray.data.report import DataReport, Finding, Lengths, RowReport, TokenReport
from dpo_ray.tracking.console_lines import line
from dpo_ray.tracking.data_lines import data_lines
from dpo_ray.tracking.mlflow_data import dataset_input
from dpo_ray.tracking.records import DataChecked
from dpo_ray.tracking.state import SweepState
from tests.tracking.test_mlflow_mirror import (  # noqa: F401
    client,
    mirror,
    runs,
    uri,
)

REPORT = DataReport(
    rows=RowReport(
        source="pairs.jsonl",
        digest="a1b2" * 16,
        revision=None,
        format="conversational",
        read=1300,
        kept=1290,
        findings=[
            Finding(reason="identical_pair", count=10, action="drop", rows=[3, 5, 8, 13, 21]),
            Finding(reason="contradicting_pair", count=1, action="keep", rows=[7]),
        ],
        prompts={"train": 700, "validation": 250, "test": 240},
        prompts_in_two_splits=0,
    ),
    tokens=TokenReport(
        rows={"train": 760, "validation": 270, "test": 250},
        findings=[Finding(reason="long_prompt", count=10, action="drop", rows=[2])],
        lengths={
            name: Lengths(p5=5, p50=446, p95=1200, p99=3393, max=9910)
            for name in ("prompt", "chosen", "rejected")
        },
        cut_share=0.125,
        chosen_longer_share=0.71,
        max_length=512,
    ),
)
TEXT = """\
Data: pairs.jsonl (conversational)
  rows      1,300 read, 1,280 kept: 760 train, 270 validation, 250 test
  prompts   1,190 distinct, none in two splits
  dropped   10 x identical_pair: chosen equals rejected (rows 3, 5, 8, 13, 21 and 5 more)
  kept      1 x contradicting_pair: the opposite preference is there, too (row 7)
  dropped   10 x long_prompt: the prompt has max_length tokens or more (rows 2 and 9 more)
  tokens    prompt   5 %     5  median   446  95 % 1,200  99 % 3,393  max 9,910
            chosen   5 %     5  median   446  95 % 1,200  99 % 3,393  max 9,910
            rejected 5 %     5  median   446  95 % 1,200  99 % 3,393  max 9,910
  cut       12.5% of the pairs have an answer cut at 512 tokens
  length    chosen is the longer answer in 71% of the pairs: longer answers may win by length alone\
"""
CHECKED = DataChecked(report=REPORT.to_json())


def test_the_report_reads_like_this():
    assert "\n".join(data_lines(REPORT)) == TEXT
    assert line(SweepState(), CHECKED, 12) == TEXT


def test_a_clean_source_of_a_pinned_dataset_says_so():
    rows = REPORT.rows.model_copy(update={"findings": [], "revision": "0123456789ab" + "c" * 28})
    tokens = REPORT.tokens.model_copy(update={"findings": [], "chosen_longer_share": 0.5})
    lines = data_lines(DataReport(rows=rows, tokens=tokens))
    assert lines[0] == "Data: pairs.jsonl at 0123456789ab (conversational)"
    assert lines[3] == "  doubtful  none"
    assert lines[-1] == "  length    chosen is the longer answer in 50% of the pairs"


@pytest.fixture
def found(journal, planned, started, uri, client):  # noqa: F811
    for record in (planned, CHECKED, started):
        journal.append(record)
    for _ in range(2):
        mirror(journal.path, uri)
    return runs(client)


@pytest.fixture
def sweep(found):
    return found["parent"]


def test_a_trial_says_what_it_is_trained_on_as_the_sweep_does(found):
    (own,), (whole,) = (found[each].inputs.dataset_inputs for each in ("0", "parent"))
    assert own.dataset.to_dictionary() == whole.dataset.to_dictionary()


def test_the_parent_run_has_the_pairs_as_a_dataset_input(sweep):
    (given,) = sweep.inputs.dataset_inputs
    assert (given.dataset.name, given.dataset.digest) == ("pairs.jsonl", ("a1b2" * 16)[:16])
    assert {tag.key: tag.value for tag in given.tags} == {"mlflow.data.context": "training"}
    profile = json.loads(given.dataset.profile)
    assert (profile["rows_kept"], profile["rows_train"]) == (1280, 760)
    assert (profile["identical_pair"], profile["cut_share"]) == (10, 0.125)


def test_mlflow_itself_reads_the_source_back(sweep):
    source = mlflow.data.get_source(sweep.inputs.dataset_inputs[0])
    assert source.to_dict() == {"uri": "pairs.jsonl"}


@pytest.mark.parametrize("name", ["org/pairs", "hf://datasets/org/pairs", "hf://org/pairs"])
def test_the_source_of_a_hub_dataset_is_its_id_at_its_commit(name):
    commit = "0123456789ab" + "c" * 28
    rows = REPORT.rows.model_copy(update={"source": name, "revision": commit})
    given = dataset_input(DataReport(rows=rows, tokens=REPORT.tokens))
    source = mlflow.data.get_source(given)
    assert (source.path, source.revision) == ("org/pairs", commit)


def test_the_report_is_an_artifact_for_people_and_one_for_programs(sweep, uri, client):  # noqa: F811
    names = {each.path for each in client.list_artifacts(sweep.info.run_id)}
    assert {"data_report.json", "data_report.txt"} <= names
    mlflow.set_tracking_uri(uri)
    folder = sweep.info.artifact_uri
    assert mlflow.artifacts.load_text(f"{folder}/data_report.txt") == TEXT
    assert mlflow.artifacts.load_dict(f"{folder}/data_report.json") == REPORT.to_json()


def test_starting_the_mirror_over_opens_no_second_input(sweep, journal, uri, client):  # noqa: F811
    mirror(journal.path, uri)
    assert len(runs(client)["parent"].inputs.dataset_inputs) == 1
