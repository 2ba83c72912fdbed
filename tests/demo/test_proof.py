import pytest

from dpo_ray.demo.proof import Proof, refuse_unless_won, win_rate
from dpo_ray.errors import DpoRayError


@pytest.mark.parametrize(
    ("ours", "theirs", "rate"),
    [
        ([0.9, 0.9], [0.1, 0.1], 1.0),
        ([0.1, 0.1], [0.9, 0.9], 0.0),
        ([0.5, 0.5], [0.5, 0.46], 0.5),  # within the gap: both ties
        ([0.9, 0.5, 0.1, 0.9], [0.1, 0.5, 0.9, 0.1], 0.625),
    ],
)
def test_win_rate_counts_a_tie_as_half_a_win(ours, theirs, rate):
    assert win_rate(ours, theirs) == rate


def test_a_proof_at_the_bar_is_refused_and_one_above_it_is_not():
    refuse_unless_won(Proof(win_rate=0.71, reference_win_rate=0.5, finished=1.0), bar=0.7)
    with pytest.raises(
        DpoRayError, match=r"win rate above 0\.7 must hold .*, got 0\.700"
    ) as refused:
        refuse_unless_won(Proof(win_rate=0.7, reference_win_rate=0.5, finished=1.0), bar=0.7)
    assert refused.value.exit_code == 1


def test_the_shipped_toy_was_proven(manifest):
    figures = manifest["figures"]
    assert figures["win_rate"] > 0.75
    assert abs(figures["reference_win_rate"] - 0.5) < 0.07
    assert figures["finished"] > 0.9
