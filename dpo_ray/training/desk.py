"""What a worker keeps in memory from job to job."""

import gc
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from dpo_ray.config.evaluation import EvaluationConfig
from dpo_ray.data.prepared import TOKEN_COLUMNS, Prepared, load_scored
from dpo_ray.evaluation.evaluate import Evaluator
from dpo_ray.evaluation.judges import build_judges
from dpo_ray.evaluation.judging import Judge, Judging
from dpo_ray.evaluation.logps import collator_for
from dpo_ray.evaluation.sampling import Decoding
from dpo_ray.ranks import Ranks
from dpo_ray.reference.model import load_model, load_tokenizer
from dpo_ray.reference.opponent import load_baseline
from dpo_ray.training.jobs import ModelSpec, TrialJob


@dataclass
class Desk:
    """Base model, tokenizer and datasets, loaded on first use and reused by later jobs.

    Lives as long as its worker process; not shared between processes. The base model on it is
    always bare: a trial takes its adapter off before the next job, or trains a copy and drops it.
    """

    ranks: Ranks
    device: torch.device
    _spec: ModelSpec | None = None
    _model: Any = None
    _tokenizer: Any = None
    _tokenizer_of: Path | None = None
    _rows: dict[Prepared, Any] = field(default_factory=dict)
    _evaluators: dict[tuple[Prepared, int], Evaluator] = field(default_factory=dict)
    _judges: tuple[EvaluationConfig, Judging, dict[str, Judge]] | None = None

    def model(self, spec: ModelSpec) -> Any:
        """Return the bare base model, in evaluation mode."""
        if self._model is None or self._spec != spec:
            self._model = None  # the next one may not fit in memory beside it
            self._model = load_model(
                spec.folder,
                spec.dtype,
                self.device,
                attention=spec.attention,
                quantization=spec.quantization,
                trust_remote_code=spec.trust_remote_code,
            )
            self._spec = spec
            # Imports and the base model outlive every trial: never walk them again.
            gc.collect()
            gc.freeze()
        return self._model

    def tokenizer(self, spec: ModelSpec) -> Any:
        """Return the tokenizer that belongs to the base model, which need not be loaded."""
        if self._tokenizer is None or self._tokenizer_of != spec.folder:
            self._tokenizer = load_tokenizer(spec.folder, spec.trust_remote_code)
            self._tokenizer_of = spec.folder
        return self._tokenizer

    def training_rows(self, prepared: Prepared) -> Any:
        """Return the scored training rows."""
        if prepared not in self._rows:
            self._rows[prepared] = load_scored(prepared, "train")
        return self._rows[prepared]

    def evaluator(self, job: TrialJob) -> Evaluator:
        """Return the evaluator of the job's prompts and stream: every trial of a search is judged
        by the same one."""
        key = job.prepared, job.stream
        if key not in self._evaluators:
            self._evaluators[key] = self._build_evaluator(job)
        return self._evaluators[key]

    def judges(self, evaluation: EvaluationConfig, judging: Judging) -> dict[str, Judge]:
        """Return the sweep's judges: a reward model is loaded once for all that is judged."""
        if self._judges is None or self._judges[:2] != (evaluation, judging):
            self._judges = None  # as with models
            found = build_judges(evaluation, judging, self.device)
            self._judges = evaluation, judging, found
        return self._judges[2]

    def forget_model(self) -> None:
        """Drop a base model that an error may have left changed; the next job loads it anew."""
        self._model = None

    def _build_evaluator(self, job: TrialJob) -> Evaluator:
        settings, tokenizer = job.evaluation, self.tokenizer(job.model)
        return Evaluator(
            pairs=_longest_first(load_scored(job.prepared, job.prepared.split), settings.prompts),
            baseline=load_baseline(job.prepared),
            decoding=Decoding(
                max_new_tokens=settings.max_new_tokens,
                temperature=settings.temperature,
                top_p=settings.top_p,
                # Not the baseline's streams: equal draws would make an untrained policy tie.
                seed=settings.seed + 2 + job.stream,
                batch_size=settings.batch_size,
            ),
            judges=self.judges(settings, job.judging),
            tokenizer=tokenizer,
            collator=collator_for(tokenizer, job.max_length),
            ranks=self.ranks,
        )


def _longest_first(rows: Any, count: int) -> list[dict[str, Any]]:
    """Return the first `count` rows ordered by length: batches of equals carry little padding."""
    chosen: list[dict[str, Any]] = rows.select(range(min(count, len(rows)))).to_list()
    return sorted(chosen, key=lambda row: -sum(len(row[name]) for name in TOKEN_COLUMNS))
