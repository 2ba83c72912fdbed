"""What a judge has answered before, found again by what it was asked."""

import json
import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

VERDICTS = ("A", "B", "tie")
"""The first answer is better, the second is, or neither."""


def answer_key(*asked: str) -> str:
    """Return the name of all that may change an answer: endpoint, model, question and texts.

    The parts are kept apart: moving a word from one to the next gives another name.
    """
    return sha256(json.dumps(asked).encode()).hexdigest()


@dataclass(frozen=True)
class AnswerCache:
    """A folder of verdicts, one file each. For threads and processes."""

    folder: Path

    def find(self, key: str) -> str | None:
        """Return the verdict; None where there is none, or where its file is damaged."""
        try:
            verdict = json.loads(self._file(key).read_bytes())["verdict"]
        except (OSError, ValueError, LookupError, TypeError):
            return None
        return verdict if verdict in VERDICTS else None

    def store(self, key: str, verdict: str) -> None:
        """Keep a verdict. On a full disk it is not kept, and asked for again another time."""
        with suppress(OSError):
            self._file(key).parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self._file(key).parent, suffix=".tmp")
            try:
                with open(handle, "w") as file:
                    json.dump({"verdict": verdict}, file)
                os.replace(name, self._file(key))
            except OSError:
                os.unlink(name)

    def _file(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.json"
