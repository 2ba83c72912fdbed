"""Failed trials on the screen: each cause once, and at the end how often."""

from pathlib import Path

from dpo_ray.data.trial_files import ERROR_LOG
from dpo_ray.tracking.tracebacks import alike, essence
from dpo_ray.tracking.trial_row import TrialRow


class Failures:
    """Tells causes apart. Not thread-safe: whoever holds it holds a lock."""

    def __init__(self) -> None:
        self._trials: dict[str, list[str]] = {}

    def lines(self, row: TrialRow) -> list[str]:
        """Return what there is to say of a failed trial beside its reason.

        Of a cause's first trial the traceback's essence and the log's path, of the others whose it
        is alike. Nothing where the trial left no log: it failed by a rule, which the reason says.
        """
        log = Path(row.folder) / ERROR_LOG
        text = log.read_text(errors="replace") if log.is_file() else ""
        shown = essence(text)
        if not shown:
            return []
        before = self._trials.setdefault(alike(text), [])
        before.append(row.name)
        if len(before) > 1:
            return [f"the same error as {before[0]}'s; full log: {log}"]
        return [*shown, f"full log: {log}"]

    def sums(self) -> list[str]:
        """Return a sentence for each cause of more than one failure."""
        return [
            f"{len(names)} trials failed with one and the same error, shown at {names[0]}"
            for names in self._trials.values()
            if len(names) > 1
        ]
