"""A sweep as plain lines, for logs and pipes: one per event worth reading."""

from dpo_ray.data.report import DataReport
from dpo_ray.tracking.confirm_lines import again_ended, again_started, confirm_line
from dpo_ray.tracking.data_lines import data_lines
from dpo_ray.tracking.flags import uneven
from dpo_ray.tracking.progress import progress
from dpo_ray.tracking.records import (
    AnyRecord,
    CandidateConfirmed,
    ChampionCompared,
    Confirmed,
    DataChecked,
    Metrics,
    Prepared,
    ReferenceEnded,
    ReferenceMetrics,
    ReferenceStarted,
    RungDecided,
    SweepEnded,
    SweepPlanned,
    SweepResumed,
    TrialEnded,
    TrialResumed,
    TrialStarted,
    WarmStarted,
)
from dpo_ray.tracking.sft_lines import sft_line
from dpo_ray.tracking.state import SweepState
from dpo_ray.tracking.wording import configuration, duration, plain, with_interval

_VERDICTS = {"continue": "goes on", "stop": "stops"}


def line(state: SweepState, record: AnyRecord, total: int) -> str | None:
    """What to print once `state` has taken in `record`; None if it is not worth a line.

    A rung has its line when it is decided, since only then is there a verdict to read.
    """
    match record:
        case SweepPlanned():
            return f"sweep {record.name}: {total} trials"
        case SweepResumed():
            return _goes_on(state, total)
        case WarmStarted():
            return record.note
        case TrialResumed():
            row = state.row(record.trial)
            again = "begins again" if record.step == 0 else f"goes on after step {record.step}"
            return f"{row.name} {again}: {configuration(row.params)}"
        case ReferenceStarted() | ReferenceMetrics() | ReferenceEnded():
            return sft_line(state.sft, record) if state.sft else None
        case DataChecked():
            return "\n".join(data_lines(DataReport.model_validate(record.report)))
        case Prepared():
            return _prepared(record)
        case TrialStarted() if record.confirms is not None:
            return again_started(state, record)
        case TrialStarted():
            what = configuration(record.params)
            return f"{state.row(record.trial).name} started ({record.origin}): {what}"
        case RungDecided():
            return _decided(state, record)
        case TrialEnded() if state.row(record.trial).confirms is not None:
            return again_ended(state, record, numbers(state.row(record.trial).metrics))
        case CandidateConfirmed() | Confirmed():
            return confirm_line(state, record)
        case ChampionCompared():
            return f"champion of {record.model}: {record.reason}"
        case TrialEnded():
            return _ended(state, record, total)
        case SweepEnded():
            return f"sweep ended with exit code {record.exit_code}: {record.reason}"
    return None


def _goes_on(state: SweepState, total: int) -> str:
    """`sweep NAME goes on: 5 of 12 trials are done, 2 were interrupted`."""
    rows = list(state.trials.values())
    cut = sum(row.status in ("RUNNING", "KILLED") for row in rows)
    name = state.plan.name if state.plan else ""
    interrupted = f", {cut} were interrupted" if cut else ""
    return f"sweep {name} goes on: {len(rows) - cut} of {total} trials are done{interrupted}"


def numbers(metrics: Metrics) -> str:
    """`win rate 0.71 [0.63, 0.79], KL 0.52, margin 4.1 nats`."""
    return (
        f"win rate {with_interval(metrics, 'win_rate')}, KL {plain(metrics, 'kl')}, "
        f"margin {plain(metrics, 'logratio_margin')} nats"
    )


def _prepared(record: Prepared) -> str:
    how = "found in the cache" if record.reused else "computed"
    passes = (
        f", {record.forwards} batches of pairs through the reference" if record.forwards else ""
    )
    against = with_interval(record.reference, "win_rate")
    prepared = (
        f"prepared in {duration(record.seconds)} ({how}{passes}); "
        f"the reference against itself: win rate {against}"
    )
    return ". ".join([prepared, *uneven(record.reference)])


def _decided(state: SweepState, record: RungDecided) -> str:
    row = state.row(record.trial)
    where = f"{row.name} at step {record.step}/{row.total_steps}"
    return f"{where}: {numbers(row.metrics)}: {_VERDICTS[record.action]}, {record.reason}"


def _ended(state: SweepState, record: TrialEnded, total: int) -> str:
    row = state.row(record.trial)
    broken = record.state in ("FAILED", "KILLED")
    what = record.reason if broken else f"{numbers(row.metrics)}; {record.reason}"
    ended = (
        f"{row.name} {record.state} after {duration(record.seconds)} at step "
        f"{record.step}/{row.total_steps}: {what}"
    )
    if record.state == "KILLED":
        return ended  # it is not done, and nothing is left to wait for
    now = progress(state, total, record.time)
    left = f", {now.left}" if now.left else ""
    return f"{ended}; {now.ended}/{total} trials done{left}"
