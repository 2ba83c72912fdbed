"""The seventeen defaults, by name: each is held by a test of this folder called after it."""

import ast
from pathlib import Path

HERE = Path(__file__).parent
DEFAULTS = {
    "s1": "a Ray cluster elsewhere whose Jobs API answers without a token is refused",
    "s2": "token files we make are readable by their owner alone",
    "s3": "our servers listen on 127.0.0.1; Ray's own ports ask for its token",
    "s4": "YAML: no tags, aliases, duplicate or unknown keys, nothing above 1 MB; 1e-5 is a number",
    "s5": "a model's own code runs by a flag and a commit together, or not at all",
    "s6": "weights are read from safetensors only",
    "s7": "nothing in the source can run what a file says",
    "s8": "what a sweep resumes from is JSON, and pickles of others are not opened",
    "s9": "secrets are hidden in parameters and tags",
    "s10": "secrets are hidden in errors and in every other output",
    "s11": "no secret stands in a manifest or a job's environment",
    "s12": "names are letters, digits, dots, dashes and underscores",
    "s13": "chat templates are rendered in a sandbox and within a time",
    "s14": "models and data sets are pinned to a commit, once, and MLflow tells which",
    "s15": "ray is at least 2.56, mlflow 3.17.2 on a database",
    "s16": "the registry's alias moves by the written rule only",
    "s17": "no page says how to open a server to everybody",
}


def those_here() -> set[str]:
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in HERE.glob("test_*.py")]
    functions = (each for tree in trees for each in tree.body if isinstance(each, ast.FunctionDef))
    return {each.name for each in functions if each.name.startswith("test_s")}


def test_every_default_has_a_test_named_after_it():
    held = {name.split("_")[1] for name in those_here()}
    assert held == set(DEFAULTS)
