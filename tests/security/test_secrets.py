"""S9 and S10: what is written down or shown has lost its secrets."""

import json
import threading
from pathlib import Path

import pytest
import typer

from dpo_ray.config.loading import load_sweep
from dpo_ray.config.redaction import redact
from dpo_ray.data.source import find_source
from dpo_ray.errors import ConfigError, DpoRayError, TrackingUnreachable
from dpo_ray.exits import errors_on_screen
from dpo_ray.output import give_json, same_command
from dpo_ray.plan import make_plan
from dpo_ray.tracking.mlflow_server import reachable
from dpo_ray.tracking.mlflow_texts import plan_yaml
from dpo_ray.tracking.records import SweepPlanned
from dpo_ray.tracking.state import fold
from tests.sweeping import ROOT

SECRET = "hunter2-9d8f7a"
PASSWORDS = (SECRET, *(f"{SECRET}{end}me" for end in "/?#"), *(f"me{end}{SECRET}" for end in "/?#"))
"""SQLAlchemy takes what ends a URL's host for everybody else: it may stand before or after."""
KEYS = ("token", "hf_token", "SECRET", "clientSecret", "password", "api_key", "aws_credentials")


@pytest.mark.parametrize("key", KEYS)
def test_s9_values_under_telling_keys_are_hidden_at_any_depth(key):
    hidden = redact({"plan": {"judges": [{key: SECRET, "beta": 0.1}]}})
    assert SECRET not in str(hidden)
    assert hidden["plan"]["judges"][0]["beta"] == 0.1


@pytest.fixture(params=PASSWORDS)
def plan(request, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    secret = [
        f"tracking.uri=postgresql://me:{request.param}@db/mlflow",
        f"data.source=https://host/pairs.jsonl?X-Amz-Signature={SECRET}",
    ]
    return make_plan(Path("search_spaces/beta.yaml"), Path("sweeps/local.yaml"), secret, tmp_path)


def test_s9_the_plan_in_journal_and_mlflow_has_no_secret(plan):
    planned = SweepPlanned(name="s", plan=plan.to_dict(), host="h", pid=1, versions={})
    assert SECRET in str(plan.sweep)
    assert SECRET not in planned.model_dump_json()
    assert SECRET not in plan_yaml(fold([planned]))


@pytest.mark.parametrize("password", PASSWORDS)
def test_s9_json_results_have_no_secret(capsys, password):
    give_json({"uri": f"http://me:{password}@h/x", "deep": [{"auth": {"api_key": SECRET}}]})
    shown = capsys.readouterr().out
    assert SECRET not in shown
    assert json.loads(shown)["uri"] == "http://***@h/x"


def refusals(folder: Path, password: str):
    """Yield calls that are refused over a value with a secret in it."""
    sweep = folder / "s.yaml"
    for text in (
        f"api_key: {password}\n",
        f"tracking: {{uri: 'ftp://me:{password}@host/x'}}\n",
        f"evaluation: {{judge: {{type: llm, model: m, url: 'http://me:{password}@h/v1'}}}}\n",
    ):
        yield lambda text=text: (sweep.write_text(text), load_sweep(sweep))
    sweep.write_text("{}")
    yield lambda: load_sweep(sweep, [f"tracking.password={password}"])
    yield lambda: load_sweep(sweep, [f"tracking.uri=nfs://me:{password}@host"])
    yield lambda: reachable(f"nfs://me:{password}@host/x")
    yield lambda: find_source(f"https://me:{password}@127.0.0.1:9/pairs.exe", scratch=folder)


@pytest.mark.parametrize("password", PASSWORDS)
def test_s10_an_error_about_a_secret_value_does_not_say_it(tmp_path, password):
    found = []
    for call in refusals(tmp_path, password):
        with pytest.raises(DpoRayError) as refused:
            call()
        found.append(str(refused.value))
    assert len(found) == 7
    assert [each for each in found if SECRET in each] == []


@pytest.mark.parametrize("password", PASSWORDS)
def test_s10_a_server_that_does_not_answer_is_named_without_its_password(monkeypatch, password):
    shown = []  # a thread's traceback goes to the screen
    monkeypatch.setattr(threading, "excepthook", shown.append)
    with pytest.raises(DpoRayError) as refused:
        reachable(f"http://me:{password}@127.0.0.1:9/x", seconds=2)
    assert SECRET not in str(refused.value)
    assert shown == []


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize("kind", [ConfigError, TrackingUnreachable])
def test_s10_the_last_word_of_every_verb_is_redacted_once_more(capsys, kind, password):
    """A library's error may quote an address that nobody thought of."""
    with pytest.raises(typer.Exit), errors_on_screen():
        raise kind(f"the driver said: could not connect to mysql://me:{password}@db/x")
    assert capsys.readouterr().err == (
        "Error: the driver said: could not connect to mysql://***@db/x\n"
    )


@pytest.mark.parametrize("password", PASSWORDS)
def test_s10_the_command_that_goes_on_asks_for_its_secrets_again(password):
    override = f"tracking.uri=http://me:{password}@h/x"
    typed = ["sweep.py", "q.yaml", "--set", override, "--trials", "4"]
    shown = same_command(typed, "python")
    assert SECRET not in shown
    assert shown == "python -m dpo_ray.sweep q.yaml --set 'tracking.uri=http://***@h/x' --trials 4"
