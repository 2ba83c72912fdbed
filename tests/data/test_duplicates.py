"""Repetitions and contradictions are found by fingerprint, the first of equals left alone."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dpo_ray.data.duplicates import contradicted, fingerprint, pair_prints, repeated

ROWS = st.lists(
    st.fixed_dictionaries(
        {name: st.sampled_from(["a", "b"]) for name in ("prompt", "chosen", "rejected")}
    ),
    min_size=1,
    max_size=12,
)


@given(ROWS)
def test_marks_are_those_of_comparing_every_row_with_every_other(rows):
    own, turned = np.array([pair_prints(row) for row in rows], dtype=np.uint64).T
    as_text = [(row["prompt"], row["chosen"], row["rejected"]) for row in rows]
    assert repeated(own).tolist() == [row in as_text[:at] for at, row in enumerate(as_text)]
    assert contradicted(own, turned).tolist() == [
        (prompt, rejected, chosen) in as_text for prompt, chosen, rejected in as_text
    ]


def test_parts_are_told_apart_and_the_order_of_keys_is_not():
    assert fingerprint("ab", "c") != fingerprint("a", "bc")
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})


def test_the_same_pair_with_other_tools_is_another_pair():
    row = {"prompt": "p", "chosen": "c", "rejected": "r"}
    assert pair_prints(row) != pair_prints({**row, "tools": [{"name": "f"}]})
