"""Shards cover every row once, in whole batches, whoever cuts them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpo_ray.data.shards import PARTS, ROWS, Shard, plan_shards

COUNTS = st.dictionaries(st.sampled_from(["train", "validation", "test"]), st.integers(0, 50_000))


@given(COUNTS, st.integers(1, 300))
def test_every_row_is_in_one_shard_and_no_batch_is_torn(counts, batch_size):
    shards = plan_shards(counts, batch_size)
    for part, count in counts.items():
        own = [shard for shard in shards if shard.part == part]
        assert [row for shard in own for row in (shard.start, shard.stop)] == [
            *(edge for shard in own[:1] for edge in (0,)),
            *(edge for shard in own[1:] for edge in (shard.start, shard.start)),
            *(edge for edge in (count,) if own),
        ]
        assert all(shard.start % batch_size == 0 for shard in own)
        assert sum(shard.stop - shard.start for shard in own) == count


@given(COUNTS, st.integers(1, 300))
def test_names_are_distinct_and_sort_in_row_order(counts, batch_size):
    shards = plan_shards(counts, batch_size)
    assert len({shard.name for shard in shards}) == len(shards)
    train = [shard for shard in shards if shard.part == "train"]
    assert sorted(train, key=lambda shard: shard.name) == train


@pytest.mark.parametrize(
    ("rows", "batch_size", "size"),
    [
        (100_000, 64, ROWS),
        (1600, 10, 1600 // PARTS),
        (1600, 128, 128),
        (3, 8, 3),
        (5000, 3000, 3000),
    ],
)
def test_a_shard_is_large_enough_to_pay_and_small_enough_to_share(rows, batch_size, size):
    first = plan_shards({"train": rows}, batch_size)[0]
    assert first == Shard("train", 0, size)
