"""The fine-tuning of the reference in words: how far it is, and what came of it."""

from dpo_ray.tracking.records import ReferenceEnded, ReferenceMetrics, ReferenceStarted
from dpo_ray.tracking.sft_row import SftRow
from dpo_ray.tracking.wording import duration, number

SftRecord = ReferenceStarted | ReferenceMetrics | ReferenceEnded


def sft_line(row: SftRow, record: SftRecord) -> str | None:
    """What to print once `row` has taken in `record`; None if it is not worth a line.

    A kept result has its last line only.
    """
    match record:
        case ReferenceStarted():
            began = row.slot is not None and row.total_steps > 0
            return f"reference: SFT on {_texts(row)}, {row.total_steps} steps" if began else None
        case ReferenceMetrics():
            return None if row.slot is None else sft_progress(row, record.time)
        case ReferenceEnded():
            return sft_result(row)


def sft_progress(row: SftRow, now: float) -> str:
    """`reference: SFT step 25/60, 4.2 steps/s, about 8 s left, loss 2.13`."""
    parts = [f"reference: SFT step {row.step}/{row.total_steps}"]
    rate = row.step / (row.logged - row.started) if row.logged > row.started else 0.0
    if rate:
        parts.append(f"{rate:.2g} steps/s" if rate >= 1 else f"{1 / rate:.2g} s/step")
        left = (row.total_steps - row.step) / rate - (now - row.logged)
        parts.append(f"about {duration(left)} left")
    if row.loss is not None:
        parts.append(f"loss {number(row.loss)}")
    return ", ".join(parts)


def sft_result(row: SftRow) -> str:
    """`reference: SFT done in 42 s, 60 steps, loss 3.21 -> 1.87`; why, where it is not."""
    if row.status == "RUNNING":
        return f"reference: SFT on {_texts(row)}, {row.total_steps} steps"
    where = f"step {row.step}/{row.total_steps}"
    if row.status != "COMPLETED":
        how = f"{row.status} after {duration(row.seconds)} at {where}"
        return f"reference: SFT {how}: {row.reason}"
    how = "found in the cache, once made" if row.reused else "done"
    return f"reference: SFT {how} in {duration(row.seconds)}, {row.step} steps{_losses(row)}"


def _losses(row: SftRow) -> str:
    if row.first_loss is None or row.loss is None:
        return ""
    return f", loss {number(row.first_loss)} -> {number(row.loss)}"


def _texts(row: SftRow) -> str:
    parts = [f"{row.texts:,} texts"]
    if row.cut:
        parts.append(f"{row.cut:,} of them cut at max_length")
    if row.left_out:
        parts.append(f"{row.left_out:,} left out since nothing to learn remains")
    return parts[0] if len(parts) == 1 else f"{parts[0]} ({', '.join(parts[1:])})"
