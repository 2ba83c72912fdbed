"""A model that compares is asked twice, tried again where it helps, and never out of bounds."""

import json
import logging
import os
import pickle
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path

import pytest

from dpo_ray.config.judging import LlmJudge
from dpo_ray.data import retrying
from dpo_ray.errors import JudgingFailed
from dpo_ray.evaluation.baseline import MAIN, Prompt
from dpo_ray.evaluation.judged import refuse_unjudged
from dpo_ray.evaluation.judging import Comparison, Judgement
from dpo_ray.evaluation.llm_judge import build_llm_judge
from tests.evaluation.llm_server import (
    Reply,
    always_first,
    failing,
    first,
    garbage,
    longer,
    running_llm,
    slowly,
    verdict,
)

ROOT = Path(__file__).parents[2]
KEY = "sk-abcdefgh12345678"


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr(retrying, "FIRST_WAIT", 0.01)


@pytest.fixture
def llm():
    with running_llm() as running:
        yield running


@pytest.fixture
def judge_of(llm, tmp_path):
    """Make a judge that asks the server; all share one ledger and one cache."""

    def make(**settings):
        settings = {"url": llm.url, "timeout_s": 10.0, **settings}
        configured = LlmJudge(type="llm", model="org/model:7b", **settings)
        return build_llm_judge(configured, tmp_path / "calls", tmp_path / "answers")

    return make


def compared(ours, theirs, prompt="Why is the sky blue?"):
    return Comparison(Prompt(0, [], prompt, prompt, "", ""), ours, theirs)


def wins(count):
    return [compared(f"a long answer {number}", "short") for number in range(count)]


def test_a_verdict_counts_where_both_orders_agree(llm, judge_of):
    judge = judge_of()
    assert not judge.scores
    assert judge.compare(
        [compared("longer", "short"), compared("brief", "extended"), compared("one", "two")]
    ) == [
        Judgement(1.0, consistent=True),
        Judgement(0.0, consistent=True),
        Judgement(0.5, consistent=True),
    ]
    assert len(llm.calls) == 6


def test_a_judge_that_prefers_a_position_makes_only_ties(llm, judge_of):
    llm.answer = always_first
    judged = judge_of().compare(wins(4))
    assert judged == [Judgement(0.5, consistent=False)] * 4


def test_a_tie_in_one_order_only_is_a_tie_that_is_not_consistent(llm, judge_of):
    llm.answer = first(verdict("tie"), verdict("B"))
    assert judge_of().compare(wins(1)) == [Judgement(0.5, consistent=False)]


def test_the_same_answer_is_a_tie_without_a_call(llm, judge_of):
    assert judge_of().compare([compared(" same\n", "same")]) == [Judgement(0.5)]
    assert judge_of().compare([]) == []
    assert llm.calls == []


def test_it_reads_question_prompt_and_both_answers_as_they_are(llm, judge_of):
    question = "Which keeps {{ name }} and \\n?"
    judge_of(question=question, concurrency=1).compare([compared("{{ inputs }}é", "\\d+ ", "p\n")])
    there, back = [call.texts for call in llm.calls]
    assert there["inputs"] == back["inputs"] == {"question": question, "prompt": "p\n"}
    assert there["outputs"] == {"A": "{{ inputs }}é", "B": "\\d+ "}
    assert back["outputs"] == {"A": "\\d+ ", "B": "{{ inputs }}é"}
    body = llm.calls[0].body
    assert (body["model"], body["temperature"]) == ("org/model:7b", 0)
    schema = body["response_format"]["json_schema"]["schema"]["properties"]
    assert schema["result"]["enum"] == ["A", "B", "tie"]


@pytest.mark.parametrize(
    "text",
    [
        '<think>\nA {is} better\n</think>\n{"result": "A"}',
        '```json\n{"result": "A"}\n```',
        '{"result": " a "}',
        '{"result": "A", "more": 1}',
    ],
)
def test_a_verdict_may_be_wrapped(llm, judge_of, text):
    llm.answer = first(Reply(text))
    assert judge_of().compare(wins(1)) == [Judgement(1.0, consistent=True)]


def test_what_was_answered_is_not_asked_again(llm, judge_of):
    judged = judge_of().compare(wins(3))
    assert len(llm.calls) == 6
    again = judge_of(concurrency=2, timeout_s=5.0, retries=0, max_failed=0.0).compare(wins(3))
    assert again == judged
    assert len(llm.calls) == 6
    judge_of(question="Which is kinder?").compare(wins(3))
    assert len(llm.calls) == 12


@pytest.mark.parametrize("concurrency", [1, 3])
def test_as_many_calls_are_open_as_allowed(llm, judge_of, concurrency):
    llm.answer = slowly(0.03)
    judge_of(concurrency=concurrency).compare(wins(9))
    assert llm.most_open == concurrency


@pytest.mark.parametrize(
    "passing",
    [
        failing(429),
        failing(500),
        failing(503),
        failing(529),
        Reply(reset=True),
        Reply("no JSON"),
        Reply('{"verdict": "A"}'),
        Reply('{"result": "C"}'),
        Reply("[]"),
        Reply(None),
    ],
)
def test_what_may_pass_is_tried_again(llm, judge_of, passing):
    llm.answer = first(passing, passing)
    assert judge_of(retries=2, concurrency=1).compare(wins(1)) == [Judgement(1.0, consistent=True)]
    assert len(llm.calls) == 4


def test_a_slow_answer_is_given_up_and_tried_again(llm, judge_of):
    answers = [slowly(5.0), longer, longer]
    llm.answer = lambda question: answers[question.number - 1](question)
    began = time.monotonic()
    assert judge_of(timeout_s=0.2).compare(wins(1)) == [Judgement(1.0, consistent=True)]
    assert time.monotonic() - began < 4
    assert len(llm.calls) == 3


def test_it_waits_as_long_as_the_endpoint_asks(llm, judge_of):
    llm.answer = first(Reply("busy", 429, {"Retry-After": "0.5"}))
    began = time.monotonic()
    judge_of().compare(wins(1))
    assert time.monotonic() - began >= 0.5


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("temperature", "'temperature' does not support 0 with this model"),
        ("response_format", "json_schema is not supported"),
    ],
)
def test_a_setting_that_the_model_does_not_know_is_left_out(llm, judge_of, name, message):
    llm.answer = lambda call: failing(400, message) if name in call.body else longer(call)
    assert (
        judge_of(retries=0, concurrency=1).compare(wins(2)) == [Judgement(1.0, consistent=True)] * 2
    )
    assert [name in call.body for call in llm.calls] == [True, False, False, False, False]


@pytest.mark.parametrize(
    ("answer", "reason", "calls"),
    [
        (garbage, "the judge's answer is not the JSON it was asked for", 3),
        (lambda _: verdict("both"), "the judge's answer is none of A, B, tie", 3),
        (lambda _: failing(500), "the endpoint answered 500 Internal Server Error", 3),
        (lambda _: failing(529), "the endpoint answered 529", 3),
        (
            lambda _: failing(400, "maximum context length is 8"),
            "the endpoint answered 400 Bad Request: maximum context length is 8",
            1,
        ),
        (slowly(0.5), "no answer within 0.2 s", 3),
    ],
)
def test_what_cannot_be_judged_is_counted_with_its_reason(llm, judge_of, answer, reason, calls):
    llm.answer = answer
    judge = judge_of(retries=2, max_failed=1.0, timeout_s=0.2 if "within" in reason else 10.0)
    assert judge.compare(wins(1)) == [Judgement(None, reason=reason)]
    assert len(llm.calls) == calls


def test_an_endpoint_that_is_not_there_is_a_reason(judge_of):
    judge = judge_of(url="http://127.0.0.1:9/v1/chat/completions", retries=0, max_failed=1.0)
    (judged,) = judge.compare(wins(1))
    assert "no connection: " in judged.reason
    assert "refused" in judged.reason


def test_a_failed_comparison_is_asked_again_the_next_time(llm, judge_of):
    llm.answer = garbage
    judge_of(retries=0, max_failed=1.0).compare(wins(1))
    llm.answer = longer
    assert judge_of().compare(wins(1)) == [Judgement(1.0, consistent=True)]


def test_too_many_failed_comparisons_fail_the_trial(llm, judge_of):
    llm.answer = lambda call: garbage(call) if "answer 1" in call.a + call.b else longer(call)
    few = judge_of(retries=0, max_failed=0.25)
    judged = few.compare(wins(4))
    assert [each.outcome for each in judged] == [1.0, None, 1.0, 1.0]
    refuse_unjudged({MAIN: few}, {MAIN: judged})
    fewer = judge_of(retries=0, max_failed=0.2)
    with pytest.raises(
        JudgingFailed,
        match=r"^1 of 4 comparisons could not be judged \(25 %; evaluation\.judge\.max_failed "
        r"allows 20 %\): the judge's answer is not the JSON it was asked for$",
    ):
        refuse_unjudged({MAIN: fewer}, {MAIN: fewer.compare(wins(4))})


def test_no_more_calls_are_made_than_the_ceiling_allows(llm, judge_of):
    judged = judge_of(max_calls=5, concurrency=4, max_failed=1.0).compare(wins(6))
    assert len(llm.calls) == 5
    reasons = {each.reason for each in judged if each.outcome is None}
    assert reasons == {"the ceiling of 5 calls is reached (evaluation.judge.max_calls)"}
    assert judge_of(max_calls=5, max_failed=1.0).compare([compared("x", "y")])[0].outcome is None
    assert len(llm.calls) == 5


def test_tries_count_towards_the_ceiling(llm, judge_of):
    llm.answer = lambda _: failing(500)
    judge_of(max_calls=7, retries=20, concurrency=3, max_failed=1.0).compare(wins(3))
    assert len(llm.calls) == 7


@pytest.mark.parametrize(
    ("status", "rule"),
    [
        (401, "must name a variable with a key: the endpoint wants one; it answered 401 Unauth"),
        (403, "must allow this key to use the model org/model:7b; it answered 403 Forbidden: no"),
        (404, r"url must be the whole address .* got http://127.*; it answered 404 Not Found: no"),
        (308, "url must be an address that answers, got http://127.*; it answered 308 Permanent"),
    ],
)
def test_a_refusal_is_told_at_once(llm, judge_of, status, rule):
    llm.answer = slowly(0.1, lambda _: failing(status))
    began = time.monotonic()
    with pytest.raises(JudgingFailed, match=rule):
        judge_of(concurrency=8, retries=20, max_failed=1.0).compare(wins(50))
    assert len(llm.calls) == 1
    assert time.monotonic() - began < 5


def test_a_refusal_ends_the_pauses_of_the_others(llm, judge_of, monkeypatch):
    monkeypatch.setattr(retrying, "FIRST_WAIT", 20.0)
    llm.answer = lambda call: failing(401 if call.number == 3 else 500)
    began = time.monotonic()
    with pytest.raises(JudgingFailed, match="401"):
        judge_of(concurrency=4).compare(wins(8))
    assert time.monotonic() - began < 5


def test_without_a_key_none_is_sent(llm, judge_of, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    judge_of().compare(wins(1))
    assert "Authorization" not in llm.calls[0].headers


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        (None, "variable JUDGE_KEY must hold the endpoint's key, but it is not set"),
        (" ", "variable JUDGE_KEY must hold the endpoint's key, but it is not set or is empty"),
        ("sk\nsecret", "variable JUDGE_KEY holds a character that no key may have"),
    ],
)
def test_a_key_that_cannot_be_sent_is_told_before_any_call(llm, judge_of, monkeypatch, value, rule):
    monkeypatch.delenv("JUDGE_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("JUDGE_KEY", value)
    with pytest.raises(JudgingFailed, match=rule) as caught:
        judge_of(api_key_env="JUDGE_KEY").compare(wins(1))
    assert "secret" not in str(caught.value)
    assert llm.calls == []


def test_the_key_is_sent_and_stands_nowhere_else(llm, judge_of, monkeypatch, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("JUDGE_KEY", f"{KEY}\n")
    judge = judge_of(api_key_env="JUDGE_KEY", retries=0, max_failed=1.0, concurrency=1)
    echo = f"{'x' * 190} bad key {KEY}, Bearer {KEY}"
    llm.answer = first(verdict("A"), verdict("B"), failing(400, echo), failing(401, echo))
    judged = judge.compare(wins(2))
    with pytest.raises(JudgingFailed, match="accept the key in JUDGE_KEY") as caught:
        judge.compare([compared("some", "other")])
    assert [call.headers["Authorization"] for call in llm.calls] == [f"Bearer {KEY}"] * 4
    told = [repr(judge), repr(judged), caplog.text, *traceback.format_exception(caught.value)]
    written = [file.read_text() for file in tmp_path.rglob("*") if file.is_file()]
    assert written
    assert "bad key *" in repr(judged)
    assert pickle.loads(pickle.dumps(judge)) == judge
    assert not [text for text in told + written if KEY[:8] in text]


def test_mlflow_s_own_judges_still_send_by_themselves(llm, judge_of):
    from mlflow.genai.judges import make_judge

    judge_of().compare(wins(1))
    llm.answer = garbage
    other = make_judge(
        "other",
        "Is {{ outputs }} good?",
        "gateway:/theirs",
        base_url=llm.url,
        model_api="chat_completions",
    )
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("MLFLOW_MODEL_CATALOG_URI", "")
        with pytest.raises(Exception, match="id"):  # it wants more than the server sends
            other(outputs="x")
    assert llm.calls[-1].body["model"] == "theirs"


PROGRAM = """
import os, sys
from pathlib import Path
from dpo_ray.config.judging import LlmJudge
from dpo_ray.evaluation.baseline import Prompt
from dpo_ray.evaluation.judging import Comparison
from dpo_ray.evaluation.llm_judge import build_llm_judge
folder, before = Path(sys.argv[2]), dict(os.environ)
settings = LlmJudge(type="llm", model="m", url=sys.argv[1])
judge = build_llm_judge(settings, folder / "calls", folder / "answers")
(judged,) = judge.compare([Comparison(Prompt(0, [], "p", "p", "", ""), "longer", "short")])
assert judged.outcome == 1.0 and judged.consistent, judged
changed = dict(os.environ).items() ^ before.items()
assert not {name for name, _ in changed if not name.startswith("_MLFLOW")}, changed
assert not (folder / "home").exists()
"""


def test_mlflow_writes_says_and_fetches_nothing(llm, tmp_path):
    """In a process of its own, whose ways out are a proxy that notes what is asked for."""
    here = tmp_path / "here"
    here.mkdir()
    proxy = llm.url.partition("/v1")[0]
    hidden = ("PYTEST_CURRENT_TEST", "CI", "GITHUB_ACTIONS", "MLFLOW", "NO_PROXY", "no_proxy")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    ways_out = {name: proxy for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")}
    process = subprocess.run(
        [sys.executable, "-c", PROGRAM, llm.url, tmp_path],
        cwd=here,
        env={
            **kept,
            **ways_out,
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
            "HOME": str(tmp_path / "home"),
            "PYTHONPATH": str(ROOT),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (process.returncode, process.stdout, process.stderr) == (0, "", "")
    assert list(here.iterdir()) == []
    assert llm.strays == []
    assert len(llm.calls) == 2


def test_no_thread_is_left(judge_of):
    before = threading.active_count()
    judge_of().compare(wins(4))
    assert threading.active_count() <= before


def test_the_cache_holds_verdicts_only(judge_of, tmp_path):
    judge_of().compare(wins(1))
    files = list((tmp_path / "answers").rglob("*.json"))
    assert sorted(json.loads(file.read_text())["verdict"] for file in files) == ["A", "B"]
