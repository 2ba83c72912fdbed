"""How many calls of a sweep have reached a paid endpoint, whichever process made them."""

import os
from dataclasses import dataclass
from pathlib import Path

from dpo_ray.errors import JudgingFailed


@dataclass(frozen=True)
class CallLedger:
    """A file of one byte per call, and the `most` calls there may be. For threads and processes.

    The append is atomic on a local disk. NFS cannot append atomically: there, two machines that
    write at the same moment may count as one call.
    """

    path: Path
    most: int

    def take(self) -> bool:
        """Write one call down; False where the ceiling is reached, so that it must not be made.

        Raises:
            JudgingFailed: the file cannot be written, so nothing would keep to the ceiling.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                return self._append(file)
            finally:
                os.close(file)
        except OSError as error:
            raise JudgingFailed(
                f"{self.path}: the calls of the judge cannot be counted here ({error.strerror}), "
                "and none is made that is not counted"
            ) from error

    def _append(self, file: int) -> bool:
        """Append first, then look at the own place: of two that race for the last, one is first."""
        if os.fstat(file).st_size >= self.most:
            return False
        os.write(file, b".")
        return os.lseek(file, 0, os.SEEK_CUR) <= self.most
