"""A prompt's split follows from the prompt alone."""

from hypothesis import given
from hypothesis import strategies as st

from dpo_ray.data.split import split_of

fractions = st.floats(0.0, 0.5)
message = st.fixed_dictionaries({"role": st.sampled_from(["user", "system"]), "content": st.text()})
prompts = st.one_of(st.text(), st.lists(message, min_size=1, max_size=3))


@given(prompts, fractions, fractions)
def test_training_on_more_prompts_moves_none_from_validation_to_test(prompt, validation, test):
    wider, narrower = split_of(prompt, validation, test), split_of(prompt, validation / 2, test)
    assert narrower == wider or (wider, narrower) == ("validation", "train")


def test_the_order_of_a_messages_keys_does_not_matter():
    one = [{"role": "user", "content": "Hello"}]
    other = [{"content": "Hello", "role": "user"}]
    assert all(split_of(one, v / 20, 0.2) == split_of(other, v / 20, 0.2) for v in range(17))


def test_the_fractions_are_met_as_by_coin_tosses():
    splits = [split_of(f"prompt {number}", validation=0.3, test=0.1) for number in range(4_000)]
    # Three standard deviations of a share of 4,000 are below 2.2 points.
    assert abs(splits.count("validation") / 4_000 - 0.3) < 0.022
    assert abs(splits.count("test") / 4_000 - 0.1) < 0.022


def test_nothing_is_held_out_unasked():
    assert {split_of(str(number), 0.0, 0.0) for number in range(100)} == {"train"}


def test_splits_are_the_same_on_every_machine_and_in_every_release():
    names = [split_of(f"prompt {number}", 0.2, 0.2) for number in range(12)]
    assert " ".join(names) == (
        "train train train train test train train test validation test train train"
    )
    assert split_of([{"role": "user", "content": "Qué tal?"}], 0.2, 0.2) == "test"
