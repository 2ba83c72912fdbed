import subprocess
import sys

import pytest
from rich.progress import Progress

from dpo_ray.demo.build import Sizes, build
from dpo_ray.demo.pairs import read_pairs
from dpo_ray.demo.place import placed_when_whole

TINY = Sizes(reviews=1000, tokenizer_reviews=300, model_steps=60, pairs=24, judged=8, proof_steps=2)


def _run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "dpo_ray.demo", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_shows_examples():
    shown = _run("--help")
    assert shown.returncode == 0
    assert "  python -m dpo_ray.demo --out /tmp/toy\n" in shown.stdout


def test_a_folder_with_other_things_is_refused_with_exit_code_2(tmp_path):
    (tmp_path / "thesis.txt").touch()
    refused = _run("--out", str(tmp_path))
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: --out:")
    assert str(tmp_path) in refused.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
def test_a_build_from_nothing_goes_all_the_way(tmp_path):
    with placed_when_whole(tmp_path / "toy") as folder:
        proof = build(folder, Progress(disable=True), TINY, seed=3, bar=0.0)
    assert 0 < proof.win_rate <= 1
    built = {path.name for path in (tmp_path / "toy").iterdir()}
    assert built == {"manifest.json", "model", "pairs.jsonl"}
    assert len(read_pairs(tmp_path / "toy" / "pairs.jsonl")) == TINY.pairs
