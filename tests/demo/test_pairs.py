from itertools import islice

from dpo_ray.demo.grammar import openings
from dpo_ray.demo.pairs import GAP, Pair, draw_pairs, mood, read_pairs, write_pairs


def test_as_many_pairs_ship_as_the_manifest_says_each_with_its_own_prompt(pairs, manifest):
    assert len(pairs) == manifest["sizes"]["pairs"] == 1600
    assert len({pair.prompt for pair in pairs}) == len(pairs)


def test_chosen_is_in_the_better_mood_by_at_least_the_gap(pairs):
    for pair in pairs:
        assert mood(pair.prompt + pair.chosen) - mood(pair.prompt + pair.rejected) >= GAP


def test_completions_say_something_and_prompts_leave_the_mood_open(pairs):
    for pair in pairs:
        assert pair.chosen.strip()
        assert pair.rejected.strip()
        assert mood(pair.prompt) == 0


def test_no_prompt_loses_tokens_when_a_completion_follows(pairs, tokenizer):
    alone = tokenizer([pair.prompt for pair in pairs])["input_ids"]
    for completions in ([p.chosen for p in pairs], [p.rejected for p in pairs]):
        joined = [pair.prompt + text for pair, text in zip(pairs, completions, strict=True)]
        together = tokenizer(joined)["input_ids"]
        assert all(b[: len(a)] == a for a, b in zip(alone, together, strict=True))


def test_shipped_prompts_come_from_the_grammar(pairs, manifest):
    drawn = set(islice(openings(manifest["seed"] + 1), 4000))
    assert {pair.prompt for pair in pairs} <= drawn


def test_drawing_pairs_gives_the_same_ones_again(model, tokenizer):
    first = list(islice(draw_pairs(model, tokenizer, seed=9), 5))
    assert list(islice(draw_pairs(model, tokenizer, seed=9), 5)) == first
    assert all(mood(p.prompt + p.chosen) > mood(p.prompt + p.rejected) for p in first)


def test_pairs_read_back_as_written(tmp_path):
    written = [Pair("The café", " was “good”.\n", " was\u2028bad."), Pair("It", " is.", " was.")]
    write_pairs(written, tmp_path / "pairs.jsonl")
    assert read_pairs(tmp_path / "pairs.jsonl") == written
