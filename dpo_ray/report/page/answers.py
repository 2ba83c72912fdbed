"""Five prompts with both answers, chosen to be typical of what the policy does."""

from pathlib import Path
from typing import Any

from dpo_ray.data.trial_files import COMPLETIONS, checkpoint_folder
from dpo_ray.report.page.material import Material
from dpo_ray.report.page.rooms import Answer, Room
from dpo_ray.tracking.trial_row import TrialRow

SHARES = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Where the five stand among all, from the policy's worst to its best."""
WORDS = {"win": "the policy wins", "tie": "a tie", "loss": "the policy loses"}
LONGEST = 1500
"""Characters of a text that are shown."""


def answers(material: Material) -> Room | None:
    """Return five answers of the recommended policy; a word about them, where the file is gone."""
    used = material.used
    if used is None or used.trial is None:
        return None
    path = completions_file(material, used.trial, used.step)
    title = "Five answers"
    if path is None:
        gone = f"The answers of {used.name} at step {used.step} are no longer in its folder."
        return Room("answers", title, [gone])
    found = _read(path)
    if not found:
        return Room("answers", title, [f"{path.name} of {used.name} holds no answers."])
    chosen = typical(found)
    places = ", ".join(f"{share:.0%}" for share in SHARES)
    by = "the judge's score of the policy's answer minus the reference's"
    if found[0].get("reference_score") is None:
        by = "the judge's verdict"
    return Room(
        id="answers",
        title=f"{title if len(chosen) == len(SHARES) else 'Answers'}, typical ones",
        words=[
            f"By {used.name} at step {used.step}, on {len(found):,} validation prompts. Chosen to "
            f"be typical and not the best: all prompts were ordered by {by}, and these stand at "
            f"{places} of the way from the policy's worst to its best."
        ],
        answers=[_answer(row, share) for row, share in chosen],
    )


def completions_file(material: Material, trial: TrialRow, step: int) -> Path | None:
    """Return where a checkpoint's answers lie, also in a store that was moved; None if nowhere."""
    there = checkpoint_folder(Path(trial.folder), step) / COMPLETIONS
    here = checkpoint_folder(material.folder / "trials" / trial.name, step) / COMPLETIONS
    return next((path for path in (there, here) if path.is_file()), None)


def typical(rows: list[dict[str, Any]]) -> list[tuple[dict[str, Any], float]]:
    """Return the rows at fixed shares of the way from worst to best, with their shares.

    Ordered by the difference of scores; where a judge gives none, by its outcome. Rows without
    a verdict are left out.
    """
    judged = [row for row in rows if row.get("outcome") is not None]
    order = sorted(judged, key=lambda row: (*_difference(row), row["row"]))
    places = {int(share * len(order)): share for share in SHARES} if order else {}
    return [(order[place], share) for place, share in places.items()]


def _difference(row: dict[str, Any]) -> tuple[float, float]:
    mine, theirs = row.get("policy_score"), row.get("reference_score")
    if mine is None or theirs is None:
        return float(row["outcome"]), 0.0
    return float(mine) - float(theirs), float(row["outcome"])


def _read(path: Path) -> list[dict[str, Any]]:
    from pyarrow import parquet

    return list(parquet.read_table(path).to_pylist())


def _answer(row: dict[str, Any], share: float) -> Answer:
    return Answer(
        prompt=_cut(row["prompt"]),
        reference=_cut(row["reference"]),
        policy=_cut(row["policy"]),
        verdict=WORDS.get(row["verdict"], row["verdict"]),
        chosen_as=f"At {share:.0%}",
        reference_score=_score(row.get("reference_score")),
        policy_score=_score(row.get("policy_score")),
    )


def _cut(text: str) -> str:
    text = text.strip()
    rest = len(text) - LONGEST
    return text if rest <= 0 else f"{text[:LONGEST]} … ({rest:,} characters more)"


def _score(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
