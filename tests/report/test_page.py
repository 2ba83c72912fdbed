"""The page is made from any journal, holds all it needs, and lets no text of a sweep be markup."""

import base64
import zlib
from functools import cache
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from dpo_ray.report.page import write_page
from dpo_ray.report.page.answers import typical
from dpo_ray.report.page.comparison_page import comparison_page
from dpo_ray.report.page.importances import importances
from dpo_ray.report.page.material import gather
from dpo_ray.report.page.rooms import Answer, Chart, Fold, Room, Row, Table
from dpo_ray.report.page.writing import Page, packed_plotly, render, sweep_page
from dpo_ray.tracking.records import ProjectCommit
from dpo_ray.tracking.trial_row import trial_name
from tests.report.made import BRANCHED, TWO, WORDS_ONLY, made
from tests.report.reading import Read, strings

HERE = Path("/store/sweeps/beta")
PLOTLY_MB = 2.0


def page_of(records, *, live: bool = False) -> Read:
    return Read(render(sweep_page(gather(records, HERE, live))))


@cache
def kind_of_page(kind: str) -> Read:
    return page_of(KINDS[kind][0])


KINDS = {
    "usual": (made(), "Best of the search: beta"),
    "confirmed": (made(confirms=True), "Confirmed: beta 0.3 beats the default by 9.2"),
    "two objectives": (made(objectives=TWO), "on the front"),
    "one trial": (made(1), "1 trial (1 completed)"),
    "failed only": (made(3, fails=True), "No trial completed, so nothing is ranked first."),
    "running": (made(4, ends=False), "3 of 4 trials have ended"),
    "branches": (made(space=BRANCHED), "label smoothing"),
    "words only": (made(space=WORDS_ONLY), "Example weight"),
    "tuned reference": (made(sft=True), "Reference: SFT done in 3 s"),
    "no trial yet": (made(0, ends=False), "No trial has completed yet."),
    "nothing at all": ([], "Nothing has happened yet."),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_sweep_has_a_page_that_says_the_right_thing(kind):
    page = kind_of_page(kind)
    assert KINDS[kind][1] in page.said
    assert "None" not in page.said.split()
    assert "nan" not in page.said.lower().split()


@pytest.mark.parametrize("kind", KINDS)
def test_every_chart_has_titled_axes_and_words_for_who_cannot_see_it(kind):
    page = kind_of_page(kind)
    for name, figure in page.figures.items():
        titles = [figure["layout"][axis].get("title") for axis in ("xaxis", "yaxis")]
        named = [title["text"] for title in titles if title]
        # Candidates and parameters name themselves on their axis.
        wanted = 1 if name in ("confirmation-all", "settings-importances") else 2
        assert len(named) == wanted, name
        assert all(named)
    labels = [value for tag, name, value in page.attributes if name == "aria-label"]
    assert all(labels)
    drawn = [value for _, name, value in page.attributes if name == "data-figure"]
    assert sorted(drawn) == sorted(page.figures)


@pytest.mark.parametrize("kind", KINDS)
def test_no_two_elements_have_the_same_id_and_every_link_has_its_section(kind):
    page = kind_of_page(kind)
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert {value[1:] for _, name, value in page.attributes if name == "href"} <= set(ids)


def test_any_prefix_of_a_sweep_has_a_page(records):
    for count in (1, 2, 4, 12, 40, 100, len(records)):
        assert "beta-1a2b3c4d" in page_of(records[:count]).said


def test_a_running_sweep_says_that_it_runs_and_a_dead_one_that_it_does_not():
    records = made(4, ends=False)
    assert "Still running: 3 of 4" in page_of(records, live=True).said
    assert "no process works on it" in page_of(records).said


def test_nothing_on_the_page_comes_from_elsewhere():
    page = kind_of_page("confirmed")
    outside = ("src", "href", "action", "srcset", "data", "poster")
    linked = [value for _, name, value in page.attributes if name in outside]
    assert linked
    assert all(value.startswith(("data:image/png;base64,", "#")) for value in linked)
    assert not {"link", "iframe", "object", "embed", "base", "form"} & set(page.tags)
    policy = next(value for _, name, value in page.attributes if value.startswith("default-src"))
    assert "default-src 'none'" in policy
    assert "connect-src" not in policy


def test_plotly_is_packed_without_loss():
    from plotly.offline import get_plotlyjs

    assert zlib.decompress(base64.b64decode(packed_plotly())).decode() == get_plotlyjs()
    assert len(packed_plotly()) < PLOTLY_MB * 1e6


def test_two_hundred_trials_fit_into_five_megabytes(tmp_path):
    path = write_page(made(200, steps=500, confirms=True), HERE, tmp_path / "report.html")
    assert path.stat().st_size < 5e6
    assert [each.name for each in tmp_path.iterdir()] == ["report.html"]


def test_a_page_that_cannot_be_made_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("old")
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        write_page(made(1), HERE, path)
    assert path.read_text() == "old"


EVIL = st.text(st.characters(codec="utf-8"), max_size=40).map(
    lambda text: f'</script></pre>"><evil onclick="{text}">{text}<!--'
)


@pytest.mark.parametrize(
    "text",
    [
        """</script></pre>"><evil onclick='alert("1")'>&lt;evil&gt;<!-- {{ 7 * 7 }}""",
        "<evil>\n</style></noscript></td><evil/onclick=1>\\u003cevil>",
    ],
)
def test_no_text_of_a_trial_or_a_plan_becomes_markup(text):
    records = made(3, fails=True, reason=text, name=text, question=text)
    check_harmless(render(sweep_page(gather(records, HERE))))
    space = {"loss_type": {"type": "categorical", "choices": ["sigmoid", text]}}
    html = render(sweep_page(gather(made(3, space=space, name=text, question=text), HERE)))
    check_harmless(html)
    assert "49" not in Read(html).words
    pair = [gather(made(3, space=space, name=text, prompts=name), HERE) for name in ("a", text)]
    check_harmless(render(comparison_page(pair)))


@settings(max_examples=25)
@given(EVIL)
def test_no_text_of_an_answer_or_a_table_becomes_markup(text):
    table = Table(text, [text], [Row([cell_with(text)])], is_sortable=True)
    room = Room(
        id="answers", title=text, words=[text, text], tables=[table], folds=[Fold(text, text)],
        charts=[Chart("a", text, {"data": [], "layout": {}}, text)],
        answers=[Answer(text, text, text, text, text, text, text)],
    )  # fmt: skip
    check_harmless(render(Page(text, text, text, text, [room])))


def cell_with(text):
    from dpo_ray.report.page.rooms import Cell

    return Cell(text, sort=text, more=text)


def check_harmless(html: str) -> None:
    page = Read(html)
    assert "evil" not in page.tags
    assert "<evil" not in html
    assert "onclick" not in {name for _, name, _ in page.attributes}
    # Plotly reads tags in its texts, so none may be in them either.
    assert not any("<evil" in text for text in strings(page.figures))


def completions(folder: Path, count: int, **columns) -> None:
    folder.mkdir(parents=True)
    rows = {
        "row": list(range(count)),
        "prompt": [f"prompt {i}" for i in range(count)],
        "reference": [f"theirs {i}" for i in range(count)],
        "policy": [f"<b>mine {i}</b>" for i in range(count)],
        "verdict": ["win"] * count,
        "outcome": [1.0] * count,
        "reference_score": [0.0] * count,
        "policy_score": [float(i) for i in range(count)],
    }
    parquet.write_table(pa.table(rows | columns), folder / "completions.parquet")


def test_five_answers_from_worst_to_best_stand_beside_the_references(tmp_path):
    material = gather(made(), tmp_path)
    used = material.used
    completions(tmp_path / "trials" / used.name / f"step-{used.step:05d}", 101)
    said = Read(render(sweep_page(material))).said
    assert [f"<b>mine {i}</b>" in said for i in (10, 30, 50, 70, 90, 100)] == [True] * 5 + [False]
    assert "Chosen to be typical and not the best" in said
    assert "theirs 50" in said


def test_answers_that_are_gone_are_left_out_with_a_word():
    said = page_of(made()).said
    assert "are no longer in its folder" in said


def test_without_scores_the_verdict_orders_and_what_was_not_judged_is_left_out():
    outcomes = [1.0, 0.0, None, 0.5, 1.0, 0.0, 1.0]
    rows = [{"row": i, "outcome": outcome} for i, outcome in enumerate(outcomes)]
    assert [row["outcome"] for row, _ in typical(rows)] == [0.0, 0.0, 1.0, 1.0, 1.0]
    assert typical([]) == []
    assert [row["row"] for row, _ in typical(rows[:1])] == [0]


def test_importances_find_the_setting_that_decides():
    material = gather(made(40), HERE)
    rows = [row for row in material.rows if row.place is not None]
    for row in rows:
        row.metrics["eval/win_rate"] = 0.5 + row.trial.params["beta"]
    found = importances(material.state, rows)
    assert next(iter(found)) == "beta"
    assert found["beta"] > 0.8
    assert sum(found.values()) == pytest.approx(1)


def test_too_few_or_too_equal_trials_have_no_importances():
    material = gather(made(3), HERE)
    assert importances(material.state, [row for row in material.rows if row.place]) == {}
    material = gather(made(12), HERE)
    rows = [row for row in material.rows if row.place is not None]
    for row in rows:
        row.metrics["eval/win_rate"] = 0.5
    assert importances(material.state, rows) == {}


def test_the_trials_table_has_every_trial_with_state_and_reason():
    page = page_of(made(12))
    table = page.said.split("All trials", 2)[2]
    assert all(trial_name(number) in table for number in range(12))
    assert "stopped at a rung: below the median" in table


def test_failures_are_counted_with_their_reason():
    said = page_of(made(3, fails=True, reason="OutOfMemory: 5 GB\nlast line")).said
    assert "3 of 3 trials failed, 3 of them by this: OutOfMemory: 5 GB." in said
    assert "There is nothing to use yet" not in said


def test_of_a_traceback_the_last_line_is_the_reason():
    reason = "Traceback (most recent call last):\n  File x\nValueError: it broke"
    assert "by this: ValueError: it broke." in page_of(made(3, fails=True, reason=reason)).said


def test_the_command_is_as_it_was_typed_or_asks_for_the_same_files():
    records = made(2)
    assert "dpo-ray sweep /a/beta.yaml --sweep /a/local.yaml" in page_of(records).said
    typed = ["dpo-ray", "sweep", "beta.yaml", "--set", "a.b=two words"]
    records[0] = records[0].model_copy(update={"command": typed})
    project = ProjectCommit(commit="0123abc", dirty=True)
    records[0] = records[0].model_copy(update={"project": project})
    said = page_of(records).said
    assert "dpo-ray sweep beta.yaml --set 'a.b=two words'" in said
    assert "commit of the project 0123abc, with changes" in said
