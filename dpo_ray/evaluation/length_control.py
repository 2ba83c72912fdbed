"""A win rate from which the pull of length is taken out."""

from collections.abc import Sequence

import numpy as np


def length_controlled_win_rate(
    outcomes: Sequence[float], lengths: Sequence[int], baseline_lengths: Sequence[int]
) -> float:
    """Return the win rate that answers of equal length would have.

    AlpacaEval 2's form with two parameters (Dubois et al. 2024, arXiv 2404.04475):
    P(win) = sigma(theta + phi * tanh((len_m - len_b) / std)), fitted by maximum likelihood, with a
    tie as half a win and half a loss, and read at length term 0: sigma(theta). Lengths in tokens.
    Where lengths never differ, or nobody wins or loses, it is the plain win rate. Where length
    alone tells wins from losses the fit is held by a weak prior (a standard deviation of 10).
    """
    results = np.asarray(outcomes, dtype=float)
    gaps = np.asarray(lengths, dtype=float) - np.asarray(baseline_lengths, dtype=float)
    if gaps.std() == 0 or results.min() == results.max():
        return float(results.mean())
    from sklearn.linear_model import LogisticRegression

    term = np.tanh(gaps / gaps.std())[:, None]
    weights = np.concatenate([results, 1 - results])
    labels = np.repeat([1, 0], len(results))
    model = LogisticRegression(C=100.0, tol=1e-8, max_iter=1_000)
    model.fit(np.concatenate([term, term]), labels, sample_weight=weights)
    return float(1 / (1 + np.exp(-model.intercept_[0])))
