"""What lengths say: who is dropped, who is cut, which answer is longer."""

import numpy as np
import pytest

from dpo_ray.config.data import WarningsConfig
from dpo_ray.errors import DataError
from dpo_ray.reference.token_report import Dropping, report_on

# row, prompt, chosen, rejected
TABLE = np.array(
    [
        [1, 4, 3, 2],  # fits
        [2, 10, 1, 1],  # the prompt fills the limit
        [3, 4, 7, 1],  # chosen is cut
        [5, 4, 2, 9],  # rejected is cut
        [6, 4, 6, 6],  # exactly at the limit: whole
    ],
    dtype=np.int32,
)


def dropping(max_length: int = 10, test: float = 0.0, **warnings: str) -> Dropping:
    return Dropping(max_length, WarningsConfig.model_validate(warnings), test)


def test_the_report_counts_drops_cuts_and_longer_answers():
    report = report_on([("train", TABLE[2:]), ("validation", TABLE[:2])], dropping())
    assert report.rows == {"train": 3, "validation": 1}
    found = {each.reason: (each.count, each.action, each.rows) for each in report.findings}
    assert found == {
        "long_prompt": (1, "drop", [2]),
        "cut_completion": (2, "keep", [3, 5]),
    }
    assert report.cut_share == 2 / 4
    assert report.chosen_longer_share == 2 / 3  # row 6 is a tie
    assert report.lengths["prompt"].max == 10
    assert report.lengths["chosen"].p50 == 3
    assert report.max_length == 10


def test_cut_rows_go_where_the_configuration_says_so():
    report = report_on([("train", TABLE), ("validation", TABLE)], dropping(cut_completion="drop"))
    assert report.rows == {"train": 2, "validation": 2}
    assert report.cut_share == 0.0


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        (
            "long_prompt",
            "the tokenized pairs: data.warnings.long_prompt is stop, and the prompt has "
            "max_length tokens or more in 1 row: row 2",
        ),
        (
            "cut_completion",
            "the tokenized pairs: data.warnings.cut_completion is stop, and an answer is cut at "
            "max_length in 2 rows: rows 3, 5",
        ),
    ],
)
def test_a_finding_may_stop_everything(reason, text):
    with pytest.raises(DataError) as caught:
        report_on([("train", TABLE), ("validation", TABLE[:1])], dropping(**{reason: "stop"}))
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("shards", "share", "text"),
    [
        ([("train", TABLE)], 0.0, "the validation split needs at least one row, but the split has"),
        ([("train", TABLE), ("validation", TABLE)], 0.2, "the test split needs at least one row"),
        (
            [("train", TABLE), ("validation", TABLE[1:2])],
            0.0,
            "the validation split needs at least one row, but every prompt has data.max_length=10",
        ),
    ],
)
def test_a_split_without_rows_is_refused(shards, share, text):
    with pytest.raises(DataError, match=text):
        report_on(shards, dropping(test=share))


def test_a_split_nobody_asked_for_may_be_empty():
    assert report_on([("train", TABLE), ("validation", TABLE)], dropping(test=0.0)).rows
