"""Every error a person can meet is in golden.md, beside the situation that makes it."""

import ast
import os
import re
from pathlib import Path

import pytest

from tests.errors.book import Said, happens, in_folder, page, plain, watched
from tests.errors.cluster import CLUSTER
from tests.errors.data import DATA
from tests.errors.files import FILES, SCHEDULE
from tests.errors.judging import JUDGES
from tests.errors.models import MODELS
from tests.errors.places import NOWHERE, where
from tests.errors.running import ENDS
from tests.errors.sites import BELOW, TREE, sites, words
from tests.errors.trials import TRIALS
from tests.errors.verbs import VERBS
from tests.sweeping import ROOT

HERE = Path(__file__).parent
GOLDEN = HERE / "golden.md"
CHAPTERS = [FILES, SCHEDULE, DATA, MODELS, JUDGES, VERBS, ENDS, CLUSTER, TRIALS]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Make every situation happen; return the page, and where each error was worded."""
    chapters, noted, passed = [], set(), []
    for chapter in CHAPTERS:
        entries = []
        for situation in chapter.situations:
            folder = tmp_path_factory.mktemp("here")
            with pytest.MonkeyPatch.context() as patch, watched(patch) as lines:
                try:
                    said = happens(situation, in_folder(folder, patch))
                except Exception as error:  # all that went otherwise, in one report
                    passed.append(f"{situation.title}: {type(error).__name__}: {error}")
                    continue
            typed, text = plain(said.typed, folder), plain(said.text, folder)
            entries.append((situation.title, Said(typed, said.code, text)))
            noted |= lines
        chapters.append((chapter.name, entries))
    assert passed == []
    return page(chapters), noted


def test_the_golden_file_says_what_is_said(made):
    text, _ = made
    if os.environ.get("GOLDEN") == "write":
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8")


def test_no_error_stands_outside_the_tree_unseen():
    found = set()
    for path in (ROOT / "dpo_ray").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                bases = {ast.unparse(base) for base in node.bases}
                found |= {node.name} if bases & (TREE | BELOW) else set()
    assert found - TREE == BELOW


def test_every_place_that_words_an_error_is_reached_or_listed(made):
    text, noted = made
    reached = {str(s) for s in sites() if any((s.file, line) in noted for line in s.lines)}
    reached |= {str(each) for each in words() if each.telling and re.search(each.pattern, text)}
    listed = dict(
        line.split(": ", 1)
        for line in (HERE / "unreached.txt").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    )
    every = {str(site) for site in (*sites(), *words())}
    missing = sorted(every - reached - listed.keys())
    assert not missing, f"neither reached nor listed: {chr(10).join(missing)}"
    assert listed.keys() & reached == set(), "reached by now: take it off the list"
    assert listed.keys() - every == set(), "no longer in the source: take it off the list"


ENTRY = re.compile(r"^\*\*([^\n]+?)\*\*[^\n]*\n\n```text\n(.*?)\n```$", re.DOTALL | re.MULTILINE)


def entries() -> dict[str, str]:
    return dict(ENTRY.findall(GOLDEN.read_text(encoding="utf-8")))


def test_every_error_says_where():
    assert len(entries()) > 300
    lost = {title for title, text in entries().items() if not where(text)}
    assert lost - NOWHERE.keys() == set()
    assert NOWHERE.keys() - lost == set(), "says where by now: take it off the list"


def test_every_error_says_what_in_words_of_its_own():
    for title, text in entries().items():
        said = re.sub(r"^Error: ", "", text)
        for place in where(text):
            said = said.replace(place, "")
        assert len(re.findall(r"[a-z]{2,}", said)) >= 2, title
        assert not re.search(r"Traceback|\bNone\b|<[\w.]+ object|allowed:\s*$", said), title
