"""Run one pickled trial in this process alone; write what it logged as JSON."""

import json
import os
import sys
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import pickle

import torch

from dpo_ray.ranks import Ranks
from dpo_ray.training.desk import Desk
from dpo_ray.training.trial import run_trial
from tests.training.conftest import InProcessMailbox

task, answer = map(Path, sys.argv[1:])
torch.set_num_threads(1)
mailbox = InProcessMailbox()
outcome = run_trial(pickle.loads(task.read_bytes()), 1, Desk(Ranks(), torch.device("cpu")), mailbox)
answer.write_text(
    json.dumps({"state": outcome.state, "logs": mailbox.logs, "rungs": mailbox.rungs})
)
