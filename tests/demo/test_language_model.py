from itertools import islice

import torch

from dpo_ray.demo.grammar import reviews
from dpo_ray.demo.language_model import WINDOW, new_model, review_windows, train


def test_every_window_starts_where_a_review_starts(tokenizer):
    corpus = list(islice(reviews(0), 50))
    windows = review_windows(tokenizer, corpus)
    assert windows.shape[1] == WINDOW
    assert len(windows) > 40
    stream = "</s>".join(corpus) + "</s>"
    for review, text in zip(corpus, tokenizer.batch_decode(windows), strict=False):
        assert text in stream
        assert text.startswith((review + "</s>")[: len(text)])


def test_the_same_seed_trains_the_same_model_and_training_lowers_the_loss(tokenizer):
    windows = review_windows(tokenizer, islice(reviews(0), 200))
    one, other = (new_model(tokenizer, 128, seed=5) for _ in range(2))
    before = _loss(one, windows)
    for model in (one, other):
        train(model, windows, range(5), 5, seed=0)
    assert _loss(one, windows) < before - 1
    assert all(map(torch.equal, one.parameters(), other.parameters()))


def test_making_a_model_leaves_the_random_state_alone(tokenizer):
    before = torch.get_rng_state()
    new_model(tokenizer, 128, seed=5)
    assert torch.equal(torch.get_rng_state(), before)


def _loss(model, windows):
    with torch.no_grad():
        return float(model(input_ids=windows[:32], labels=windows[:32]).loss)
