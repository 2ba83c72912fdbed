"""Everything asked of a policy at a rung, as one flat set of metrics."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import torch

from dpo_ray.evaluation.baseline import MAIN, Baseline
from dpo_ray.evaluation.degeneration import mean, repetition
from dpo_ray.evaluation.judging import Comparison, Judge
from dpo_ray.evaluation.kl import kl_of_samples
from dpo_ray.evaluation.logps import PairLogps, pair_logps
from dpo_ray.evaluation.rewards import pair_metrics
from dpo_ray.evaluation.sampling import Decoding, Sample, sample_completions
from dpo_ray.evaluation.win_rate import win_rate
from dpo_ray.ranks import Ranks

Metrics = dict[str, float]


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

    def __call__(
        self, model: Any, as_reference: Callable[[], AbstractContextManager[Any]], beta: float
    ) -> Metrics:
        """Evaluate the unwrapped policy. Returns `eval/*` on every rank. Collective.

        `as_reference()` gives a context that yields the model to ask as the reference.
        """
        training = model.training
        model.eval()
        try:
            return {
                f"eval/{name}": value
                for name, value in {
                    **self._on_pairs(model, beta),
                    **self._on_samples(model, as_reference),
                }.items()
            }
        finally:
            model.train(training)

    def _on_pairs(self, model: Any, beta: float) -> Metrics:
        size = self.decoding.batch_size
        batches = [self.pairs[start : start + size] for start in range(0, len(self.pairs), size)]
        device = next(model.parameters()).device
        scored = []
        for batch in self.ranks.share(batches):
            logps = pair_logps(model, batch, self.collator, device)
            scored.append(torch.stack([logps.chosen, logps.rejected]))
        chosen, rejected = torch.cat(self.ranks.collect(scored), dim=1)
        reference = PairLogps(
            torch.tensor([row["ref_chosen_logps"] for row in self.pairs]),
            torch.tensor([row["ref_rejected_logps"] for row in self.pairs]),
        )
        return pair_metrics(PairLogps(chosen, rejected), reference, beta)

    def _on_samples(
        self, model: Any, as_reference: Callable[[], AbstractContextManager[Any]]
    ) -> Metrics:
        samples = self._draw(model, self.decoding)
        pure = samples if self.decoding.pure else self._draw(model, _pure(self.decoding))
        blackwell, drawn = self._kl(model, as_reference, pure)
        judgements = self.judges[MAIN].compare(
            [
                Comparison(prompt, sample.text, opponent, score)
                for prompt, sample, opponent, score in zip(
                    self.baseline.prompts,
                    samples,
                    self.baseline.completions,
                    self.baseline.scores[MAIN],
                    strict=True,
                )
            ]
        )
        scores = [each.score for each in judgements if each.score is not None]
        wins = win_rate([each.outcome for each in judgements if each.outcome is not None])
        length = mean([len(sample.ids) for sample in samples])
        return {
            "win_rate": wins.value,
            "win_rate_low": wins.low,
            "win_rate_high": wins.high,
            "gold_reward": mean(scores),
            "kl": blackwell,
            "kl_k1": drawn,
            "length": length,
            "length_ratio": length / mean(self.baseline.lengths),
            "repetition": mean([repetition(sample.ids) for sample in samples]),
            "truncated": mean([float(not sample.ended) for sample in samples]),
        }

    def _draw(self, model: Any, decoding: Decoding) -> list[Sample]:
        return sample_completions(
            model,
            self.tokenizer,
            [prompt.ids for prompt in self.baseline.prompts],
            decoding,
            self.ranks,
        )

    def _kl(
        self,
        model: Any,
        as_reference: Callable[[], AbstractContextManager[Any]],
        samples: Sequence[Sample],
    ) -> tuple[float, float]:
        size = self.decoding.batch_size
        estimates = [
            kl_of_samples(
                model,
                as_reference(),
                [prompt.ids for prompt in self.baseline.prompts[start : start + size]],
                [sample.ids for sample in samples[start : start + size]],
                self.tokenizer.pad_token_id,
            )
            for start in self.ranks.share(range(0, len(samples), size))
        ]
        collected = self.ranks.collect(estimates)
        blackwell = [value for batch, _ in collected for value in batch]
        drawn = [value for _, batch in collected for value in batch]
        return mean(blackwell), mean(drawn)


def _pure(decoding: Decoding) -> Decoding:
    return replace(decoding, temperature=1.0, top_p=1.0)
