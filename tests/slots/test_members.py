"""A worker that answers nobody is ended by its number, and nobody else is."""

import os
import signal
import subprocess
import sys
from dataclasses import replace

import psutil
import pytest

from dpo_ray.slots.members import Member, end_here, end_there


@pytest.fixture
def sleeper():
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield process
    process.kill()
    process.wait()


def test_a_stopped_process_is_ended(sleeper):
    member = Member("node", sleeper.pid, psutil.Process(sleeper.pid).create_time())
    os.kill(sleeper.pid, signal.SIGSTOP)
    end_here(member)
    assert sleeper.wait(timeout=10) == -signal.SIGKILL
    end_here(member)  # once gone it is no error


def test_a_later_process_of_the_same_number_is_left_alone(sleeper):
    born = psutil.Process(sleeper.pid).create_time()
    end_here(replace(Member("node", sleeper.pid, born), born=born - 60))
    with pytest.raises(subprocess.TimeoutExpired):
        sleeper.wait(timeout=0.5)


@pytest.mark.slow
def test_a_process_of_another_node_is_ended_by_a_task_there(cluster, sleeper):
    import ray

    node = ray.get_runtime_context().get_node_id()
    born = psutil.Process(sleeper.pid).create_time()
    ray.get(end_there(Member(node, sleeper.pid, born)), timeout=60)
    assert sleeper.wait(timeout=10) == -signal.SIGKILL
