"""S16: the aliases of the model registry move by the written rule, and by nothing else."""

import ast
from itertools import product

from mlflow import MlflowClient

from dpo_ray.tracking.champion import (
    CHALLENGER,
    CHAMPION,
    Promotion,
    Registered,
    Version,
    challenges,
    coronation,
    promotion,
)
from dpo_ray.tracking.mlflow_registry import Registry
from dpo_ray.tracking.mlflow_server import default_uri
from tests.security.test_source_tree import sources


def calls(name: str) -> dict[str, list[str]]:
    """Return where in the source a method is called, with its first argument."""
    found: dict[str, list[str]] = {}
    for path, text in sources().items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == name:
                found.setdefault(path, []).append(ast.unparse(node.args[0]))
    return found


def test_s16_one_line_alone_moves_an_alias_and_every_caller_of_it_is_known():
    moving = calls("set_registered_model_alias") | calls("delete_registered_model_alias")
    assert list(moving) == ["dpo_ray/tracking/mlflow_registry.py"]
    for path, aliases in calls("give_alias").items():
        asks = "promotion(" if path.startswith("dpo_ray/commands/") else "coronation("
        assert asks in sources()[path]
        assert set(aliases) <= {"CHALLENGER", "CHAMPION"}


def test_s16_a_sweep_challenges_but_an_older_one_does_not_take_its_alias_back():
    old, new = Version("1", "monday", 1000.0), Version("2", "tuesday", 2000.0)
    assert challenges(Registered(), old)
    assert challenges(Registered((old,), {CHALLENGER: "1"}), new)
    assert not challenges(Registered((old, new), {CHALLENGER: "2"}), old)


def test_s16_what_was_decided_against_another_champion_crowns_nobody():
    old, new = Version("1", "monday", 1000.0), Version("2", "tuesday", 2000.0)
    known = Registered((old, new), {CHAMPION: "1"})
    assert coronation(known, new, previous="1") == Promotion("2", previous="1")
    for beaten in (None, "7"):
        assert coronation(known, new, previous=beaten) is None
    assert coronation(Registered((new,)), new, previous=None) == Promotion("2", previous=None)
    assert coronation(Registered((new,)), new, previous="1") is None


def test_s16_a_sweep_without_a_version_moves_nothing():
    versions = (Version("1", "monday", 1000.0), Version("2", "tuesday", 2000.0))
    for aliases, sweep in product(({}, {CHAMPION: "1"}), ("wednesday", "")):
        assert promotion(Registered(versions, aliases), sweep) is None
    known = Registered(versions, {CHAMPION: "1"})
    assert promotion(known, "tuesday") == Promotion("2", previous="1")
    assert not promotion(known, "monday").moves


def test_s16_in_a_real_registry_only_the_asked_alias_moves(tmp_path):
    client = MlflowClient(tracking_uri=default_uri(tmp_path))
    registry = Registry(client, "policies")
    run = client.create_run(client.create_experiment("policies")).info.run_id
    for sweep, began in (("monday", 1000.0), ("tuesday", 2000.0)):
        registry.add(Version("", sweep, began, run, f"{tmp_path}/{sweep}"))
    assert registry.read().aliases == {}
    registry.give_alias(CHALLENGER, "1")
    registry.give_alias(CHAMPION, "1")
    registry.give_alias(CHALLENGER, "2")
    assert registry.read().aliases == {CHALLENGER: "2", CHAMPION: "1"}
