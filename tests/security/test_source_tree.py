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
FORBIDDEN_CALLS = {
    "os.system",
    "os.popen",
    "yaml.load",
    "yaml.unsafe_load",
    "yaml.full_load",
    "pd.read_pickle",
    "pandas.read_pickle",
    "Tuner.restore",
    "subprocess.getoutput",
    "subprocess.getstatusoutput",
}


def sources() -> dict[str, str]:
    files = sorted((ROOT / "dpo_ray").rglob("*.py"))
    return {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in files}


def forbidden(source: str) -> Iterator[str]:
    """Yield what in a Python file would run, or let run, what a file or a person says."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            named = [alias.name for alias in node.names]
            parts = {each.split(".")[0] for each in [getattr(node, "module", None) or "", *named]}
            yield from (f"line {node.lineno}: imports {each}" for each in parts & UNPICKLERS)
        if isinstance(node, ast.Call):
            yield from (f"line {node.lineno}: {each}" for each in _wrong_call(node))


def _wrong_call(node: ast.Call) -> Iterator[str]:
    called = ast.unparse(node.func)
    given = {each.arg: ast.unparse(each.value) for each in node.keywords}
    if called in RUNNERS | FORBIDDEN_CALLS:
        yield called
    if called.endswith("torch.load") and given.get("weights_only") != "True":
        yield "torch.load without weights_only=True"
    if called == "YAML" and given.get("typ") not in (None, "'safe'", "'rt'"):
        yield f"YAML({given['typ']})"
    if given.get("shell", "False") != "False":
        yield f"{called} with a shell"
    if given.get("allow_pickle", "False") != "False":
        yield f"{called} with allow_pickle"
    if given.get("weights_only") == "False":
        yield f"{called} with weights_only=False"


def test_s7_nothing_in_the_source_runs_what_a_file_says():
    found = {path: list(forbidden(text)) for path, text in sources().items()}
    assert len(found) > 200
    assert {path: lines for path, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from dill import loads",
        "import joblib.memory",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "yaml.load(text)",
        "eval(text)",
        "exec(text)",
        "os.system('ls')",
        "subprocess.run(text, shell=True)",
        "numpy.load(path, allow_pickle=True)",
        "YAML(typ='unsafe')",
        "Tuner.restore(path)",
    ],
)
def test_s7_the_search_would_find_it(line):
    assert list(forbidden(line))


@pytest.mark.parametrize("line", ["torch.load(p, weights_only=True)", "model.eval()", "YAML()"])
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
