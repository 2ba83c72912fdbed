"""What the pages' lines load is the trained policy: its tokens, and not the base model's."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dpo_ray.tracking.mlflow_server import default_uri
from tests.conftest import ROOT
from tests.docs.test_commands import PATIENCE_S, words

pytestmark = pytest.mark.slow

IMPORTS = """\
import json
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer
"""
SAYING = """
said = []
for prompt in ("The soup", "Our waiter", "A small room"):
    given = AutoTokenizer.from_pretrained({base!r})(prompt, return_tensors="pt").input_ids
    said.append(policy.generate(input_ids=given, max_new_tokens=40, do_sample=False)[0].tolist())
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def exported(place, tmp_path_factory) -> dict[str, object]:
    """What `dpo-ray export NAME --json` says of the finished sweep's policy."""
    out = tmp_path_factory.mktemp("export") / "my-policy"
    made = subprocess.run(
        [*words("dpo-ray export NAME --json"), "--out", str(out)],
        cwd=place,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert made.returncode == 0, made.stderr
    facts = json.loads(made.stdout)
    assert facts["equal"] == facts["compared"] > 0
    assert Path(facts["needs"]).is_dir()
    return facts


def said_by(loading: str, base: object) -> list[list[int]]:
    """Run lines that load `policy` in a process of their own, and return what it says."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", IMPORTS + loading + SAYING.format(base=base)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture(scope="module")
def trained(exported) -> list[list[int]]:
    """What the policy says from the folder that the trial itself wrote."""
    base = exported["needs"]
    own = f"policy = AutoModelForCausalLM.from_pretrained({base!r})\n"
    said = said_by(f"{own}policy = PeftModel.from_pretrained(policy, {exported['from']!r})\n", base)
    assert said != said_by(own, base)
    return said


def block(page: str, beginning: str) -> str:
    """Return the Python block of a page that has this beginning somewhere."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text("utf-8"), re.DOTALL)
    (found,) = [each for each in blocks if beginning in each]
    return found


def test_an_export_by_the_lines_of_the_readme(exported, trained):
    lines = block("README.md", "my-policy")
    assert len(lines.splitlines()) == 3
    base, folder = repr(exported["needs"]), repr(exported["folder"])
    loading = lines.replace('"my-model"', base).replace('"my-policy"', folder)
    assert said_by(loading, exported["needs"]) == trained


def test_a_registered_version_by_the_lines_of_the_page_on_tracking(exported, trained, store):
    lines = block("docs/tracking.md", "models:/")
    base = repr(exported["needs"])
    loading = lines.replace('"my/base-model"', base).replace("@champion", "@challenger")
    where = f"import os; os.environ['MLFLOW_TRACKING_URI'] = {default_uri(store)!r}\n"
    assert said_by(where + loading, exported["needs"]) == trained
