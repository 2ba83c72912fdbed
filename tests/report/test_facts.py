"""A sweep's result for machines says what the screen says, at any moment."""

import json

from dpo_ray.report.facts import sweep_facts
from dpo_ray.tracking.state import fold

URI = "sqlite:////store/mlflow.db"


def facts(state, folder, **places):
    return json.loads(json.dumps(sweep_facts(state, folder, URI, **places), default=str))


def test_the_winner_has_its_configuration_numbers_and_place(state, tmp_path):
    saved = tmp_path / "trials" / "t10" / "adapter"
    saved.mkdir(parents=True)
    found = facts(state, tmp_path, page="#/experiments/3")
    best = found["recommended"]
    assert (best["trial"], best["step"], best["total_steps"]) == ("t10", 60, 60)
    assert best["params"].keys() == {"beta", "learning_rate", "lora_rank"}
    low, high = (best["metrics"][f"eval/win_rate_{end}"] for end in ("low", "high"))
    assert low < best["metrics"]["eval/win_rate"] < high
    assert found["best"] == best
    assert found["paths"]["policy"] == str(saved)
    assert found["tracking"] == {"uri": URI, "page": "#/experiments/3"}
    assert (found["exit_code"], found["confirmed"], found["verdict"]) == (0, False, None)


def test_the_default_and_the_reference_stand_beside_it(state, tmp_path):
    found = facts(state, tmp_path)
    assert found["default"]["trial"] == "t00"
    assert found["reference"] == state.reference
    assert found["trials"] == {"asked": 12, "completed": 8, "stopped": 3, "failed": 1, "killed": 0}


def test_weights_that_were_not_kept_have_no_place(state, tmp_path):
    assert facts(state, tmp_path)["paths"]["policy"] is None


def test_any_prefix_of_a_sweep_has_facts(records, tmp_path):
    for count in range(0, len(records), 7):
        found = facts(fold(records[:count]), tmp_path)
        assert found["recommended"] is None or found["trials"]["completed"]
