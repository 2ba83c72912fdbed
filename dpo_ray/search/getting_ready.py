"""Everything between open slots and the first trial: reference, pairs, scores, completions."""

import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from dpo_ray.config.sweep import SweepConfig
from dpo_ray.data.cache import content_key, folder_digest
from dpo_ray.data.waiting import making
from dpo_ray.search.inputs import Inputs, preparation
from dpo_ray.search.preparation import STAGES, Screen, data_report, prepare, prepared_record
from dpo_ray.search.reference_stage import sft_reference
from dpo_ray.slots.pool import SlotPool
from dpo_ray.tracking.journal import Journal
from dpo_ray.tracking.records import DataChecked
from dpo_ray.training.jobs import Preparation, SftJob

NOT_IN_THE_WEIGHTS = {"source", "logging_steps", "gradient_checkpointing"}
"""Settings of an SFT that leave its result as it is; of the source the texts' own hash tells."""


@dataclass(frozen=True)
class Ready:
    """What trials start from: the search's, on validation prompts, and the confirmation's."""

    search: Preparation
    confirmation: Preparation | None
    """On test prompts; None where nothing is confirmed."""


def get_ready(
    inputs: Inputs, sweep: SweepConfig, pool: SlotPool, journal: Journal, screen: Screen
) -> Ready:
    """Make what is missing, journal what is there, and say where it lies.

    Raises:
        DpoRayError: rows, reference or workers are no good.
    """
    began = time.time()
    reference = _fine_tuned(inputs, sweep, pool, journal, screen)
    shared = preparation(inputs, sweep, reference)
    tokens = prepare(shared, pool, screen, STAGES[:1])
    report = data_report(inputs.pairs.report, shared)
    journal.append(DataChecked(report=report.to_json()))
    others = prepare(shared, pool, screen, STAGES[1:])
    unseen = unseen_preparation(inputs, sweep, reference)
    if unseen is not None:
        # Now and not after the search: a judge that cannot read test prompts is found out early.
        others = others.together_with(prepare(unseen, pool, screen))
    done, seconds = tokens.together_with(others), time.time() - began
    journal.append(prepared_record(report, shared, inputs.revision, done, seconds, unseen))
    return Ready(shared, unseen)


def unseen_preparation(
    inputs: Inputs, sweep: SweepConfig, reference: Path | None
) -> Preparation | None:
    """Return what a confirmation needs: the reference's answers to the test prompts."""
    if sweep.confirm is None:
        return None
    prompts = sweep.confirm.prompts or max(1, inputs.pairs.report.prompts["test"])
    evaluation = sweep.evaluation.model_copy(update={"prompts": prompts})
    on_test = sweep.model_copy(update={"evaluation": evaluation})
    return preparation(inputs, on_test, reference, "test")


def _fine_tuned(
    inputs: Inputs, sweep: SweepConfig, pool: SlotPool, journal: Journal, screen: Screen
) -> Path | None:
    """Return the folder of the fine-tuned reference, or None where the model is left as it is."""
    sft = sweep.reference.sft
    if sft is None or inputs.texts is None:
        return None
    screen.stage("Supervised fine-tuning of the reference, or finding it")
    key = content_key(
        {
            "model": folder_digest(inputs.model.folder),
            "held": [sweep.model.dtype, sweep.model.attention],
            "texts": inputs.texts.name,
            "max_length": sweep.data.max_length,
            "settings": sft.model_dump(mode="json", exclude=NOT_IN_THE_WEIGHTS),
            "libraries": [version(name) for name in ("trl", "transformers", "peft")],
        }
    )
    target = inputs.cache / f"model-{key}"
    job = SftJob(inputs.model, inputs.texts, sft, sweep.data.max_length, target)
    with making([target], screen.check, screen.stage):
        return sft_reference(job, pool, journal, screen.check)
