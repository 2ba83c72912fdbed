"""What the pages show as files is taken as a file, and what they show as code runs."""

import re
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from dpo_ray.config.loading import load_space, load_sweep
from dpo_ray.errors import ConfigError
from dpo_ray.evaluation.reward_function import function_scorer
from tests.conftest import ROOT
from tests.docs.test_commands import PAGES
from tests.evaluation.test_reward_function import PLAIN, TALK, write

__all__ = ["write"]  # a fixture
RUN_ELSEWHERE = {"README.md": "my-policy", "tracking.md": "models:/"}
"""Python that tests/docs/test_loading.py runs, by words of it."""
URL = re.compile(r"https?://[^\s<>()\"'`\]]+")


def blocks(language: str) -> list[object]:
    found = [
        (page.name, block)
        for page in PAGES
        for block in re.findall(rf"```{language}\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    ]
    return [pytest.param(*each, id=f"{each[0]}-{n}") for n, each in enumerate(found, start=1)]


@pytest.mark.parametrize(("page", "block"), blocks("yaml"))
def test_every_file_that_is_shown_is_taken(tmp_path, page, block):
    """As it stands: whatever a sweep file leaves out has a default."""
    shutil.copy(ROOT / "sweeps/local.yaml", tmp_path)
    own, values = tmp_path / "own.yaml", yaml.safe_load(block)
    own.write_text(block, encoding="utf-8")
    if "parameters" in values:
        assert load_space(own).parameters.keys() == values["parameters"].keys()
    else:
        assert load_sweep(own).model_fields_set >= values.keys() - {"extends"}


@pytest.mark.parametrize("name", ["search_spaces/beta.yaml", "sweeps/nightly.yaml"])
def test_a_shipped_file_stands_in_the_readme_as_it_is(name):
    shown = [each.values[1] for each in blocks("yaml") if each.values[0] == "README.md"]
    (block,) = [each for each in shown if name in each.splitlines()[0]]
    assert yaml.safe_load(block) == yaml.safe_load((ROOT / name).read_text("utf-8"))


def test_a_mistake_is_told_as_the_readme_shows(tmp_path, monkeypatch):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```text\nError: (sweeps/local.yaml:.*?) \.\.\.\n```", text)
    (tmp_path / "sweeps").mkdir()
    right = (ROOT / "sweeps/local.yaml").read_text(encoding="utf-8")
    wrong = right.replace("learning_rate:", "learning_rat:")
    (tmp_path / "sweeps/local.yaml").write_text(wrong, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as error:
        load_sweep(Path("sweeps/local.yaml"))
    assert shown in str(error.value)


@pytest.mark.parametrize(("page", "block"), blocks("python"))
def test_every_piece_of_python_is_run_by_a_test(page, block):
    compile(block, page, "exec")
    assert page == "judges.md" or RUN_ELSEWHERE[page] in block


def test_the_reward_function_of_the_page_on_judges_scores_texts_and_conversations(write):
    (block,) = [each.values[1] for each in blocks("python") if each.values[0] == "judges.md"]
    write(block, "my_rewards")
    score = function_scorer("my_rewards:polite")
    said = ["Yes, please!", "No."]
    plain = score(PLAIN, said)
    assert plain == pytest.approx([1 - 0.02, -0.01])
    assert score(TALK, said[:1]) == plain[:1]


@pytest.mark.parametrize(
    "url", sorted({url.rstrip(".,;:") for page in PAGES for url in URL.findall(page.read_text())})
)
def test_every_address_is_one(url):
    """Only its form: no page is asked, since tests have no network."""
    parts = urlsplit(url)
    assert re.fullmatch(r"[\w.-]+", parts.hostname or "")
    assert parts.port is None or 0 < parts.port < 65536
    assert not re.search(r"[^\w\-./~%?=&#+@:{}]", parts.path + parts.query + parts.fragment)


def test_the_readme_names_every_exit_code():
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    (said,) = re.findall(r"Exit codes: (.*?)\. ", text)
    table = (ROOT / "docs/cli.md").read_text(encoding="utf-8")
    codes = [code for part in said.split("; ") for code in re.findall(r"^\d+", part)]
    assert codes == re.findall(r"^\| (\d+) \|", table, re.MULTILINE)
