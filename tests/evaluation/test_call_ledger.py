"""However many write at once, no more calls are allowed than the ceiling."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dpo_ray.errors import JudgingFailed
from dpo_ray.evaluation.call_ledger import CallLedger

ROOT = Path(__file__).parents[2]
TAKER = """
import sys
from pathlib import Path
from dpo_ray.evaluation.call_ledger import CallLedger
ledger = CallLedger(Path(sys.argv[1]), 500)
print("ready", flush=True)
sys.stdin.readline()
print(sum(ledger.take() for _ in range(400)))
"""


def test_the_ceiling_is_reached_and_not_passed(tmp_path):
    ledger = CallLedger(tmp_path / "new" / "calls", 3)
    assert [ledger.take() for _ in range(5)] == [True, True, True, False, False]
    assert ledger.path.stat().st_size == 3


def test_calls_of_an_earlier_process_count(tmp_path):
    assert CallLedger(tmp_path / "calls", 2).take()
    later = CallLedger(tmp_path / "calls", 2)
    assert [later.take(), later.take()] == [True, False]


def test_threads_share_the_ceiling(tmp_path):
    ledger = CallLedger(tmp_path / "calls", 250)
    with ThreadPoolExecutor(16) as pool:
        taken = list(pool.map(lambda _: ledger.take(), range(400)))
    assert sum(taken) == 250


def test_processes_share_the_ceiling(tmp_path):
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", TAKER, tmp_path / "calls"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    try:
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        taken = [int(process.communicate(timeout=30)[0]) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert sum(taken) == 500
    assert all(taken)


def test_a_file_that_cannot_be_written_stops_the_judge(tmp_path):
    with pytest.raises(JudgingFailed, match="cannot be counted here"):
        CallLedger(tmp_path, 3).take()
