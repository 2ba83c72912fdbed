"""One rank of a group of two: shares, draws, scores and tokenizes, and writes what it saw.

Arguments: the rank, and a folder for the group's meeting point and the ranks' results.
"""

import json
import os
import sys
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

import torch

from dpo_ray.evaluation.logps import collator_for
from dpo_ray.evaluation.sampling import Decoding, sample_completions
from dpo_ray.ranks import Ranks
from dpo_ray.reference.model import load_model, load_tokenizer, model_folder, scoring_head
from dpo_ray.reference.scores import score_rows
from dpo_ray.reference.tokenizing import tokenize

rank, folder = int(sys.argv[1]), Path(sys.argv[2])
ranks = Ranks(rank, world=2)
torch.set_num_threads(1)
torch.distributed.init_process_group(
    "gloo",
    init_method=f"file://{folder}/group",
    rank=rank,
    world_size=2,
    timeout=timedelta(seconds=60),
)
# A trainer in this process would leave Accelerate knowing of the group.
os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2", LOCAL_WORLD_SIZE="2")
os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="1")
from accelerate import PartialState  # noqa: E402

assert PartialState(cpu=True).num_processes == 2

where = model_folder("embedded")
model, tokenizer = load_model(where, "float32", torch.device("cpu")), load_tokenizer(where)
lines = (where.parent / "pairs.jsonl").read_text().splitlines()[:9]
rows = [
    {**json.loads(line), "row": number, "prompt_text": "read by a judge"}
    for number, line in enumerate(lines, start=1)
]
mine = rows[5 * rank : 5 * rank + 5]
tokens = [row for part in ranks.gather(tokenize(mine, tokenizer)) for row in part]
prompts = [row["prompt_ids"] for row in tokens]
decoding = Decoding(max_new_tokens=8, batch_size=2)
with scoring_head(model):
    scores = score_rows(model, tokens, collator_for(tokenizer, 512), 2, ranks)
result = {
    "mine": [ranks.share(list(range(count))) for count in range(6)],
    "collected": [
        ranks.collect([10 * item for item in ranks.share(range(count))]) for count in range(6)
    ],
    "agreed": ranks.agree(f"said by {rank}"),
    "tokens": tokens,
    "samples": [
        asdict(sample) for sample in sample_completions(model, tokenizer, prompts, decoding, ranks)
    ],
    "scores": scores,
}
(folder / f"{rank}.json").write_text(json.dumps(result))
# Nobody closes a connection that the other's threads still use.
torch.distributed.barrier()
torch.distributed.destroy_process_group()
