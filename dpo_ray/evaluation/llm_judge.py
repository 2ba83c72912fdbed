"""A language model that compares two completions, asked through MLflow in both orders."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from dpo_ray.config.judging import LlmJudge
from dpo_ray.evaluation.answer_cache import AnswerCache, answer_key
from dpo_ray.evaluation.baseline import Prompt
from dpo_ray.evaluation.call_ledger import CallLedger
from dpo_ray.evaluation.judge_endpoint import Endpoint, Unanswered, key_of
from dpo_ray.evaluation.judging import Comparison, Judge, Judgement
from dpo_ray.evaluation.mlflow_comparison import INSTRUCTIONS, asking, quiet_mlflow

WORTH = {"A": 1.0, "B": 0.0, "tie": 0.5}
"""What the first answer wins by each verdict."""


def build_llm_judge(settings: LlmJudge, ledger: Path, answers: Path) -> Judge:
    """Return the judge of a sweep: its processes share the file `ledger` and folder `answers`."""
    return LanguageModelJudge(
        settings, CallLedger(ledger, settings.max_calls), AnswerCache(answers)
    )


@dataclass(frozen=True)
class LanguageModelJudge:
    """Asks in both orders, and lets a verdict count where both agree."""

    settings: LlmJudge
    ledger: CallLedger
    answers: AnswerCache
    scores: bool = False

    @property
    def max_failed(self) -> float:
        """As its settings allow."""
        return self.settings.max_failed

    def score(self, prompts: Sequence[Prompt], completions: Sequence[str]) -> list[float]:
        """Refuse: it only compares."""
        raise NotImplementedError("a judge that compares two answers gives no score to one")

    def compare(self, comparisons: Sequence[Comparison]) -> list[Judgement]:
        """Judge all, `concurrency` of them at a time.

        Raises:
            JudgingFailed: the endpoint refuses key, model or address; or there is no key.
        """
        endpoint = Endpoint(self.settings, key_of(self.settings.api_key_env), self.ledger)
        ended = Event()
        with quiet_mlflow(), ThreadPoolExecutor(self.settings.concurrency) as pool:
            ask = asking(self.settings, endpoint, ended)
            futures = [pool.submit(self._judge, each, ask) for each in comparisons]
            try:
                for future in as_completed(futures):
                    future.result()
            except BaseException:
                ended.set()  # wakes threads in their pauses
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return [future.result() for future in futures]

    def _judge(self, comparison: Comparison, ask: Callable[[str, str, str], str]) -> Judgement:
        prompt, ours, theirs = comparison.prompt.text, comparison.completion, comparison.baseline
        if ours.strip() == theirs.strip():
            return Judgement(0.5)
        try:
            first = WORTH[self._verdict(ask, prompt, ours, theirs)]
            second = 1 - WORTH[self._verdict(ask, prompt, theirs, ours)]
        except Unanswered as failure:
            return Judgement(None, reason=str(failure))
        return Judgement(first if first == second else 0.5, consistent=first == second)

    def _verdict(self, ask: Callable[[str, str, str], str], *texts: str) -> str:
        asked = self.settings.url, self.settings.model, INSTRUCTIONS, self.settings.question
        key = answer_key(*asked, *texts)
        verdict = self.answers.find(key)
        if verdict is None:
            verdict = ask(*texts)
            self.answers.store(key, verdict)
        return verdict
