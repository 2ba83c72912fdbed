import subprocess
import sys
import time

import psutil

from benchmarks.usage import TreeWatch

PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]])
print(child.pid, flush=True)
sys.stdin.readline()
"""
CHILD = """
import time
held = bytearray(200 * 2**20)
while time.process_time() < 1: pass
time.sleep(60)
"""


def start() -> tuple["subprocess.Popen[str]", int]:
    """Start a parent, which ends when it is told anything, and return it and its child's id."""
    process = subprocess.Popen(
        [sys.executable, "-c", PARENT, CHILD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def test_a_childs_work_and_memory_count_as_its_parents() -> None:
    process, child = start()
    watch = TreeWatch(process.pid)
    try:
        while sum(psutil.Process(child).cpu_times()[:2]) < 0.9:
            time.sleep(0.05)
        watch.look(memory=True)
    finally:
        watch.kill()
        process.communicate()
    assert watch.usage.cpu_s >= 0.9
    assert 200 < watch.usage.peak_mib < 400


def test_memory_is_looked_at_only_when_asked_to() -> None:
    watch = TreeWatch(psutil.Process().pid)
    watch.look(memory=False)
    assert watch.usage.peak_mib == 0
    assert watch.usage.cpu_s > 0


def test_a_child_that_has_lost_its_parent_is_still_followed_and_ended() -> None:
    process, child = start()
    watch = TreeWatch(process.pid)
    watch.look(memory=False)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("leave\n")
    process.stdin.close()
    process.wait()  # not for the end of its output, which the child holds open as long as it lives
    orphan = psutil.Process(child)
    assert orphan.is_running()
    watch.look(memory=False)
    watch.kill()
    process.stdout.close()
    for _ in range(100):
        if not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE:
            return
        time.sleep(0.1)
    raise AssertionError(f"process {child} lives on")
