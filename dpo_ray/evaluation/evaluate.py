"""Everything asked of a policy at a rung: one flat set of metrics, and the tables behind it."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import torch

from dpo_ray.evaluation.baseline import MAIN, Baseline
from dpo_ray.evaluation.degeneration import mean, signs
from dpo_ray.evaluation.judged import ask, judge_metrics, length_controlled
from dpo_ray.evaluation.judging import Judge
from dpo_ray.evaluation.kl import kl_of_samples
from dpo_ray.evaluation.logps import PairLogps, pair_logps
from dpo_ray.evaluation.rewards import Lengths, log_ratios, pair_metrics
from dpo_ray.evaluation.sampling import Decoding, Sample, sample_completions
from dpo_ray.evaluation.tables import completions_table, examples_table
from dpo_ray.evaluation.win_rate import mean_interval
from dpo_ray.ranks import Ranks

Metrics = dict[str, float]
PAIRS_TOGETHER = 16
"""Pairs that go through the policy at the same time."""
AsReference = Callable[[], AbstractContextManager[Any]]
"""Gives a context that yields the model to ask as the reference."""


@dataclass(frozen=True)
class Loss:
    """What the policy is trained with, as far as its numbers depend on it."""

    beta: float
    loss_type: str = "sigmoid"


@dataclass(frozen=True)
class Evaluation:
    """A checkpoint's numbers under `eval/`, and its tables (`evaluation.tables`)."""

    metrics: Metrics
    examples: pa.Table
    completions: pa.Table


@dataclass(frozen=True)
class Evaluator:
    """What stays the same for every trial of a sweep.

    Attributes:
        pairs: scored validation rows (token ids and the reference's log-probabilities).
        baseline: the reference's completions of the validation prompts.
        decoding: how completions for the win rate are drawn.
        judges: by name; MAIN is the one behind `win_rate`.
    """

    pairs: Sequence[dict[str, Any]]
    baseline: Baseline
    decoding: Decoding
    judges: Mapping[str, Judge]
    tokenizer: Any
    collator: Any
    ranks: Ranks

    def __call__(self, model: Any, as_reference: AsReference, loss: Loss) -> Evaluation:
        """Evaluate the unwrapped policy, on every rank alike. Collective.

        Raises:
            JudgingFailed: too many comparisons could not be judged.
        """
        training = model.training
        model.eval()
        try:
            policy = self._logps(model)
            samples = self._draw(model, self.decoding)
            pure = samples if self.decoding.pure else self._draw(model, _pure(self.decoding))
            kl = self._kl(model, as_reference, pure)
        finally:
            model.train(training)
        return self._evaluation(policy, samples, kl, loss)

    def _evaluation(
        self, policy: PairLogps, samples: Sequence[Sample], kl: Metrics, loss: Loss
    ) -> Evaluation:
        reference = self._reference_logps()
        judged = ask(self.judges, self.baseline, samples, self.ranks)
        found = signs(samples)
        metrics = {
            **pair_metrics(policy, reference, loss.beta, self._lengths(), loss.loss_type),
            **judge_metrics(judged),
            **kl,
            **found,
            "length_ratio": found["length"] / mean(self.baseline.lengths),
            "win_rate_length_controlled": length_controlled(judged[MAIN], samples, self.baseline),
        }
        return Evaluation(
            metrics={f"eval/{name}": value for name, value in metrics.items()},
            examples=examples_table(
                self.pairs, log_ratios(policy, reference), loss.beta, loss.loss_type
            ),
            completions=completions_table(self.baseline, samples, judged),
        )

    def _logps(self, model: Any) -> PairLogps:
        # Pairs come longest first, so small batches carry little padding.
        size = min(self.decoding.batch_size, PAIRS_TOGETHER)
        batches = [self.pairs[start : start + size] for start in range(0, len(self.pairs), size)]
        device = next(model.parameters()).device
        scored = []
        for batch in self.ranks.share(batches):
            logps = pair_logps(model, batch, self.collator, device)
            scored.append(torch.stack([logps.chosen, logps.rejected]))
        chosen, rejected = torch.cat(self.ranks.collect(scored), dim=1)
        return PairLogps(chosen, rejected)

    def _reference_logps(self) -> PairLogps:
        return PairLogps(
            torch.tensor([row["ref_chosen_logps"] for row in self.pairs]),
            torch.tensor([row["ref_rejected_logps"] for row in self.pairs]),
        )

    def _lengths(self) -> Lengths:
        return Lengths(
            torch.tensor([len(row["chosen_ids"]) for row in self.pairs]),
            torch.tensor([len(row["rejected_ids"]) for row in self.pairs]),
        )

    def _draw(self, model: Any, decoding: Decoding) -> list[Sample]:
        prompts = [prompt.ids for prompt in self.baseline.prompts]
        return sample_completions(model, self.tokenizer, prompts, decoding, self.ranks)

    def _kl(self, model: Any, as_reference: AsReference, samples: Sequence[Sample]) -> Metrics:
        size = self.decoding.batch_size
        estimates = [
            kl_of_samples(
                model,
                as_reference,
                [prompt.ids for prompt in self.baseline.prompts[start : start + size]],
                [sample.ids for sample in samples[start : start + size]],
                self.tokenizer.pad_token_id,
            )
            for start in self.ranks.share(range(0, len(samples), size))
        ]
        collected = self.ranks.collect(estimates)
        blackwell = [value for batch, _ in collected for value in batch]
        drawn = [value for _, batch in collected for value in batch]
        low, high = mean_interval(blackwell)
        return {"kl": mean(blackwell), "kl_low": low, "kl_high": high, "kl_k1": mean(drawn)}


def _pure(decoding: Decoding) -> Decoding:
    return replace(decoding, temperature=1.0, top_p=1.0)
