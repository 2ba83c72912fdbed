"""Secrets stay out of what a tracking server shows; everything else passes through."""

import pytest

from dpo_ray.config.redaction import redact, redact_command, redact_text


@pytest.mark.parametrize(
    "key",
    ["token", "hf_token", "HF_TOKEN", "apiKey", "api_key", "secret_access_key", "password",
     "aws-credentials", "passphrase"],
)  # fmt: skip
def test_values_under_telling_keys_are_hidden(key):
    assert redact({"model": {key: "hunter2"}}) == {"model": {key: "***"}}


@pytest.mark.parametrize(
    "key", ["max_new_tokens", "tokenizer", "keyboard", "monkey", "tokens", "secretary"]
)
def test_words_that_only_look_alike_pass(key):
    assert redact({key: 40}) == {key: 40}


def test_a_measure_is_no_secret():
    limits = {"max_kl_per_token": 0.7, "eval/logratio_margin_per_token": -0.1}
    assert redact(limits) == limits
    assert redact({"pin_token": 1234}) == {"pin_token": "***"}


def test_an_unset_secret_is_shown_as_unset():
    assert redact({"token": None}) == {"token": None}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://bob:p@ss@mlflow:5000/x", "http://***@mlflow:5000/x"),
        ("postgresql+psycopg2://u:p@db/mlflow", "postgresql+psycopg2://***@db/mlflow"),
        ("failed at https://tok@hub/a and then", "failed at https://***@hub/a and then"),
        ("https://s3/x?X-Amz-Signature=abc&v=1", "https://s3/x?X-Amz-Signature=***&v=1"),
        ("http://mlflow:5000/a?b=1", "http://mlflow:5000/a?b=1"),
        (
            "#/experiments/1/runs?a=b&viewStateShareKey=beta-1",
            "#/experiments/1/runs?a=b&viewStateShareKey=beta-1",
        ),
        ("write to a@b.example", "write to a@b.example"),
        ("sqlite:////store/mlflow.db", "sqlite:////store/mlflow.db"),
    ],
)
def test_urls_lose_their_user_and_their_secret_queries(text, shown):
    assert redact_text(text) == shown


@pytest.mark.parametrize("password", ["pa/ss", "p?ss", "p#ss", "/", "12/34", "p:/s", "p s", "?#/"])
@pytest.mark.parametrize("rest", ["db/x", "db:5432/x?ssl=1", "[::1]:5432/x"])
def test_a_databases_password_may_hold_what_ends_other_urls(password, rest):
    """As SQLAlchemy reads it: up to the next @."""
    for scheme in ("postgresql", "mysql+pymysql", "MSSQL+pyodbc"):
        assert redact_text(f"{scheme}://me:{password}@{rest}") == f"{scheme}://***@{rest}"


@pytest.mark.parametrize("password", ["pa/ss", "p?ss", "p#ss", "12a/34", "p/s@s"])
def test_a_servers_password_may_too_where_it_is_no_port(password):
    """The libraries read such an address otherwise, and quote it whole in their refusals."""
    assert (
        redact_text(f"at http://me:{password}@mlflow:5000/x it") == "at http://***@mlflow:5000/x it"
    )


@pytest.mark.parametrize(
    "text",
    [
        "https://host/org/model@main",
        "https://host:8443/org/model@main",
        "https://host:8443?revision=a@b",
        "http://127.0.0.1:8265 and mail to a@b",
        "http://[::1]:8265/x@y",
        "hf://datasets/org/pairs@v1/train.jsonl",
        "s3://bucket/key@v1",
        "file:///home/a@b/pairs.jsonl",
        "mailto:me:too@host",
        "see https://host: a@b knows",
        '{"uri":"http://host:5000","by":"a@b"}',
        "postgresql://db:5432/mlflow",
        "postgresql://db:5432/mlflow gives no answer; ask a@b",
        "sqlite:///a:b@c/mlflow.db",
        "org/pairs@v9: no such revision",
    ],
)
def test_an_at_sign_further_on_hides_nothing(text):
    assert redact_text(text) == text


def test_what_is_hidden_stays_as_it_is():
    once = redact_text("postgresql://me:pa/ss@db:5432/x?token=a")
    assert redact_text(once) == once == "postgresql://***@db:5432/x?token=***"


def test_lists_are_searched_too():
    assert redact({"sources": ["http://u:p@h/a", {"key": "x"}]}) == {
        "sources": ["http://***@h/a", {"key": "***"}]
    }


def test_a_command_line_loses_what_its_keys_and_urls_tell():
    typed = [
        "sweep", "a b.yaml", "--set", "judge.api_key=a=b", "--set=tracking.uri=http://u:p@h/x?v=1",
        "--set", "training.beta=0.2", "--trials", "+4",
    ]  # fmt: skip
    assert redact_command(typed) == [
        "sweep", "a b.yaml", "--set", "judge.api_key=***", "--set=tracking.uri=http://***@h/x?v=1",
        "--set", "training.beta=0.2", "--trials", "+4",
    ]  # fmt: skip
