"""Every error dpo-ray raises on purpose, and the exit code each kind of end has.

DpoRayError                      1
├── ConfigError                  2   a file, an override or a plan that cannot be run
├── DataError                    2   rows that cannot be trained on
├── CorruptJournal               2   a journal damaged before its last line
├── ChangedSweep                 2   the name belongs to a sweep that asks something else
├── ReferenceMismatch            3   step 0: the policy is not the stored reference
├── ReferenceFailed              3   the SFT stage failed, so there is no reference
├── PreparationFailed            3   tokens, reference scores or completions broke
├── JudgingFailed                3   a judge broke, or left too much unjudged
├── NoTrialCompleted             3   every trial failed
├── ExportDiffers                3   an exported model does not write what the trial's writes
├── TooManyFailures              4   more failed trials than the budget allows
├── BudgetSpent                  5   hours or GPU-hours ran out before the search was done
├── SweepLocked                  6   a live process works under this name
├── TrackingUnreachable          7   the MLflow server does not answer
├── ClusterUnreachable           7   the Ray cluster does not answer
├── ChampionRegressed            8   what was found is clearly worse than what is served
├── StoreUnwritable              9   the store's disk is full, or takes nothing for another reason
└── Interrupted                130   Ctrl-C or SIGTERM
"""


class DpoRayError(Exception):
    """Root of the tree: its text is meant for the person at the terminal."""

    exit_code = 1
    trace = ""
    """The traceback in a worker that led to it, where one did."""


class ConfigError(DpoRayError):
    """A configuration that breaks a rule; the text says rule, value, what is allowed, where."""

    exit_code = 2


class DataError(DpoRayError):
    """Preference rows that break a rule; the text names file and row."""

    exit_code = 2


class CorruptJournal(DpoRayError):
    """A journal whose damage is more than a torn last line; the text names file and line."""

    exit_code = 2


class ChangedSweep(DpoRayError):
    """The name is taken by a sweep of another space, model or data; the text says what differs."""

    exit_code = 2


class ReferenceMismatch(DpoRayError):
    """At step 0 the untrained policy does not score pairs as the stored reference does."""

    exit_code = 3


class ReferenceFailed(DpoRayError):
    """The SFT stage failed, so there is no reference to train from."""

    exit_code = 3


class PreparationFailed(DpoRayError):
    """A job of the preparation broke, so there is nothing to train on."""

    exit_code = 3


class JudgingFailed(DpoRayError):
    """A judge broke, or could not judge more than its settings allow; one trial fails by it."""

    exit_code = 3


class NoTrialCompleted(DpoRayError):
    """The search ended without one completed trial."""

    exit_code = 3


class ExportDiffers(DpoRayError):
    """What was exported, loaded back, does not write what the trained policy writes."""

    exit_code = 3


class TooManyFailures(DpoRayError):
    """The search was ended because too many trials failed."""

    exit_code = 4


class BudgetSpent(DpoRayError):
    """Hours or GPU-hours were spent before the search was done; what it found stands."""

    exit_code = 5


class SweepLocked(DpoRayError):
    """Another live process runs a sweep of this name."""

    exit_code = 6


class TrackingUnreachable(DpoRayError):
    """The MLflow server does not answer."""

    exit_code = 7


class ClusterUnreachable(DpoRayError):
    """The Ray cluster does not answer."""

    exit_code = 7


class ChampionRegressed(DpoRayError):
    """The confirmed policy is clearly worse than the champion on the same prompts."""

    exit_code = 8


class StoreUnwritable(DpoRayError):
    """What a sweep must keep cannot be written; what it has kept is whole, and goes on later."""

    exit_code = 9


class Interrupted(DpoRayError):
    """The person, or the machine, asked for an end."""

    exit_code = 130
    at_once = False
    """Whether they asked twice: nobody is waited for any more."""
