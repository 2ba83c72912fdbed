"""Be one rank of two in a trial without Ray, and run out of memory at a forward pass.

Writes what this rank told its mailbox as the job's end.
"""

import pickle
import sys
from pathlib import Path

import torch
import torch.distributed as dist

from dpo_ray.ranks import Ranks
from dpo_ray.training.desk import Desk
from dpo_ray.training.dpo import PreparedDPOTrainer
from dpo_ray.training.trial import run_trial
from tests.training.conftest import InProcessMailbox


class EndingMailbox(InProcessMailbox):
    def finish(self, job_id, outcome):
        Path(answer).write_text(f"{outcome.state}: {outcome.reason}")


def run_out_at(last):
    whole, passes = PreparedDPOTrainer.training_step, []

    def step(self, *inputs):
        passes.append(1)
        if len(passes) == last:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return whole(self, *inputs)

    PreparedDPOTrainer.training_step = step


task, answer, last = sys.argv[1:]
torch.set_num_threads(1)
dist.init_process_group("gloo")
run_out_at(int(last))
ranks = Ranks(dist.get_rank(), dist.get_world_size())
run_trial(
    pickle.loads(Path(task).read_bytes()), 1, Desk(ranks, torch.device("cpu")), EndingMailbox()
)
