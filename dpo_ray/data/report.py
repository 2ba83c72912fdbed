"""What was found in the pairs, before anything was trained on them: plain values."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

SHOWN_ROWS = 5
"""So many row numbers are kept of each finding."""

Reason = Literal[
    "identical_pair", "duplicate_pair", "contradicting_pair", "long_prompt", "cut_completion"
]
MEANING: dict[Reason, str] = {
    "identical_pair": "chosen equals rejected",
    "duplicate_pair": "the same pair again",
    "contradicting_pair": "the opposite preference is there, too",
    "long_prompt": "the prompt has max_length tokens or more",
    "cut_completion": "an answer is cut at max_length",
}


class Finding(BaseModel):
    """One kind of doubtful row: how many, what is done with them, and the first of them."""

    model_config = ConfigDict(frozen=True)

    reason: Reason
    count: int
    action: Literal["keep", "drop", "stop"]
    rows: list[int]
    """Numbers of the first rows, counted from 1 in the source."""

    def joined(self, other: "Finding") -> "Finding":
        """Return this finding and another of the same reason as one."""
        rows = sorted({*self.rows, *other.rows})[:SHOWN_ROWS]
        return self.model_copy(update={"count": self.count + other.count, "rows": rows})


class RowReport(BaseModel):
    """What shows in the rows as they are, before a tokenizer has seen them."""

    model_config = ConfigDict(frozen=True)

    source: str
    digest: str
    """Of the source's content."""
    revision: str | None
    """Commit of a hub dataset."""
    format: str
    read: int
    kept: int
    findings: list[Finding]
    prompts: dict[str, int]
    """Distinct prompts per split."""
    prompts_in_two_splits: int
    """Splitting by the prompt's hash makes this 0."""


class Lengths(BaseModel):
    """Percentiles of token counts."""

    model_config = ConfigDict(frozen=True)

    p5: int
    p50: int
    p95: int
    p99: int
    max: int


class TokenReport(BaseModel):
    """What shows once the rows are tokenized."""

    model_config = ConfigDict(frozen=True)

    rows: dict[str, int]
    """Rows per split, as trained and judged on."""
    findings: list[Finding]
    lengths: dict[str, Lengths]
    """Of prompt, chosen and rejected, tokens, before anything is cut."""
    cut_share: float
    """Pairs with an answer cut at max_length, of those that are kept."""
    chosen_longer_share: float
    """Pairs whose chosen answer has more tokens than the rejected one, ties left out. Far from
    one half, a model can please by length alone."""
    max_length: int


class DataReport(BaseModel):
    """The whole report: printed, journaled, and logged to MLflow."""

    model_config = ConfigDict(frozen=True)

    rows: RowReport
    tokens: TokenReport

    @property
    def findings(self) -> list[Finding]:
        """Everything doubtful, whichever pass found it."""
        return [*self.rows.findings, *self.tokens.findings]

    @property
    def kept(self) -> int:
        """Rows left to train, validate and test on."""
        return sum(self.tokens.rows.values())

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return self.model_dump(mode="json")
