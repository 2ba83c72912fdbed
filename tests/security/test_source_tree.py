"""S7, S15 and S17: what the source, the requirements and the pages may not say."""

import ast
import re
import tomllib
from collections.abc import Iterator

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from dpo_ray.config.loading import load_sweep
from dpo_ray.errors import ConfigError
from dpo_ray.tracking.mlflow_server import database_file, default_uri, reachable
from tests.sweeping import ROOT

UNPICKLERS = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
RUNNERS = {"eval", "exec", "compile", "__import__"}
SHELLS = {"run", "call", "check_call", "check_output", "Popen"}
FORBIDDEN_CALLS = {
    "os.system",
    "os.popen",
    "yaml.load",
    "yaml.unsafe_load",
    "yaml.full_load",
    "pandas.read_pickle",
    "ray.tune.Tuner.restore",
    "subprocess.getoutput",
    "subprocess.getstatusoutput",
}
ELSEWHERE = {
    "tests/commands/test_export.py": "it runs the lines that a card shows",
    "tests/docs/test_blocks.py": "it looks whether a page's lines are Python, and runs none",
    "tests/evaluation/test_llm_judge.py": "a judge crosses processes",
    "tests/report/test_card.py": "it looks whether a card's lines are Python, and runs none",
    "tests/security/test_models.py": "the trap that it sets must spring",
    "tests/slots/conftest.py": "it hands a job of its own to a process of its own",
    "tests/slots/one_process.py": "that process",
    "tests/tracking/test_mlflow_registry.py": "it runs the lines that a version shows",
    "tests/training/one_rank.py": "a process that its own test starts",
    "tests/training/test_memory.py": "that test",
    "tests/training/test_resuming.py": "the trap that it sets must spring",
}
"""Tests that do it on purpose, to what they have made themselves."""


def sources(*folders: str) -> dict[str, str]:
    """Return the product's files, or those of other folders."""
    files = sorted(path for name in folders or ("dpo_ray",) for path in (ROOT / name).rglob("*.py"))
    return {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in files}


def forbidden(source: str) -> Iterator[str]:
    """Yield what in a Python file would run, or let run, what a file or a person says."""
    tree = ast.parse(source)
    whole = _whole_names(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            named = [alias.name for alias in node.names]
            module = getattr(node, "module", None) or ""
            parts = {part for each in [module, *named] for part in each.split(".")}
            yield from (f"line {node.lineno}: imports {each}" for each in parts & UNPICKLERS)
        if isinstance(node, ast.Call):
            yield from (f"line {node.lineno}: {each}" for each in _wrong_call(node, whole))


def _whole_names(tree: ast.AST) -> dict[str, str]:
    """Return what imported names stand for: after `from torch import load` load is torch.load."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = f"{node.module}." if isinstance(node, ast.ImportFrom) and node.module else ""
            for alias in node.names:
                if alias.asname or module:
                    found[alias.asname or alias.name] = f"{module}{alias.name}"
    return found


def _wrong_call(node: ast.Call, whole: dict[str, str]) -> Iterator[str]:
    first, dot, rest = ast.unparse(node.func).partition(".")
    called = f"{whole.get(first, first)}{dot}{rest}"
    given = {each.arg: ast.unparse(each.value) for each in node.keywords}
    if called.removeprefix("builtins.") in RUNNERS or called in FORBIDDEN_CALLS:
        yield called
    if called in ("torch.load", "torch.serialization.load") and given.get("weights_only") != "True":
        yield "torch.load without weights_only=True"
    if called.endswith("YAML") and given.get("typ") not in (None, "'safe'", "'rt'"):
        yield f"YAML({given['typ']})"
    if called.rpartition(".")[2] in SHELLS and given.get("shell", "False") != "False":
        yield f"{called} with a shell"
    if called.endswith("create_subprocess_shell"):
        yield called
    if given.get("allow_pickle", "False") != "False":
        yield f"{called} with allow_pickle"
    if given.get("weights_only") == "False":
        yield f"{called} with weights_only=False"


def test_s7_nothing_in_the_source_runs_what_a_file_says():
    found = {path: list(forbidden(text)) for path, text in sources().items()}
    assert len(found) > 200
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_s7_nor_do_the_tests_the_benchmarks_and_the_checks_but_for_those_listed():
    found = {
        path: list(forbidden(text)) for path, text in sources("tests", "benchmarks", ".ci").items()
    }
    assert {path.split("/")[0] for path in found} == {"tests", "benchmarks", ".ci"}
    wrong = {path: lines for path, lines in found.items() if lines}
    assert {path: lines for path, lines in wrong.items() if path not in ELSEWHERE} == {}
    assert ELSEWHERE.keys() - wrong.keys() == set(), "it does so no more: take it off the list"


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from dill import loads",
        "import joblib.memory",
        "import ray.cloudpickle as pickle",
        "from ray import cloudpickle",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "from torch import load\nload(path)",
        "from torch import load as read\nread(path)",
        "import torch as t\nt.load(path)",
        "from os import system\nsystem('ls')",
        "from os import popen as ask\nask('ls')",
        "import os as o\no.system('ls')",
        "from builtins import eval as look\nlook(text)",
        "from subprocess import run\nrun(text, shell=True)",
        "from subprocess import getoutput\ngetoutput('ls')",
        "import pandas as pd\npd.read_pickle(path)",
        "from ray.tune import Tuner\nTuner.restore(path)",
        "from ruamel.yaml import YAML\nYAML(typ='unsafe')",
        "asyncio.create_subprocess_shell('ls')",
        "yaml.load(text)",
        "eval(text)",
        "exec(text)",
        "os.system('ls')",
        "subprocess.run(text, shell=True)",
        "numpy.load(path, allow_pickle=True)",
        "YAML(typ='unsafe')",
    ],
)
def test_s7_the_search_would_find_it(line):
    assert list(forbidden(line))


@pytest.mark.parametrize(
    "line",
    [
        "torch.load(p, weights_only=True)",
        "from torch import load\nload(p, weights_only=True)",
        "from json import load\nload(stream)",
        "model.eval()",
        "YAML()",
        "subprocess.run(words, shell=False)",
    ],
)
def test_s7_what_is_safe_passes(line):
    assert list(forbidden(line)) == []


LEAST = {"ray": "2.56", "mlflow": "3.17.2", "Jinja2": "3.1.6"}
"""An older MLflow has a path traversal, an older Jinja a way out of its sandbox."""


@pytest.mark.parametrize(("name", "least"), LEAST.items())
def test_s15_no_older_version_can_be_installed(name, least):
    facts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = {each.name: each for each in map(Requirement, facts["project"]["dependencies"])}
    (floor,) = [each for each in wanted[name].specifier if each.operator == ">="]
    assert Version(floor.version) >= Version(least)
    pins = re.findall(rf"(?mi)^{name}==(\S+)$", (ROOT / "constraints.txt").read_text())
    assert [Version(pin) >= Version(least) for pin in pins] == [True]


def test_s15_tracking_is_a_server_or_a_database_never_a_folder(tmp_path):
    assert database_file(default_uri(tmp_path)) == tmp_path / "mlflow.db"
    sweep = tmp_path / "s.yaml"
    for uri in ("mlruns", "file:///tmp/mlruns", str(tmp_path)):
        sweep.write_text(f"tracking: {{uri: '{uri}'}}\n")
        with pytest.raises(ConfigError, match="must be the URL of a server or a database"):
            load_sweep(sweep)
        with pytest.raises(ConfigError, match="unknown kind"):
            reachable(uri)


def shown() -> list[str]:
    folders = [ROOT / name for name in ("docs", "sweeps", "search_spaces")]
    pages = [page for folder in folders for page in folder.rglob("*") if page.is_file()]
    written = [page for page in pages if page.suffix in (".md", ".yaml")]
    texts = [page.read_text(encoding="utf-8") for page in [ROOT / "README.md", *written]]
    return [*texts, *sources().values()]


def test_s17_no_page_opens_a_server_to_everybody():
    opened = re.compile(
        r"--(dashboard-)?host[ =]['\"]?(0\.0\.0\.0|::)|--allowed-hosts[ =]['\"]?\*|--cors-allowed"
        r"-origins[ =]['\"]?\*|0\.0\.0\.0(?![,.\d])"
    )
    found = [hit.group() for text in shown() for hit in opened.finditer(text)]
    assert found == []
    assert opened.search("mlflow server --host 0.0.0.0 --allowed-hosts '*'")
