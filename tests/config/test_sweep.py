import pytest
from pydantic import ValidationError

from dpo_ray.config.sweep import SweepConfig
from dpo_ray.config.training import TrainingConfig


def refusal(values) -> str:
    with pytest.raises(ValidationError) as caught:
        SweepConfig.model_validate(values)
    return caught.value.errors()[0]["msg"]


def test_an_empty_sweep_has_all_defaults():
    assert SweepConfig.model_validate({}) == SweepConfig()


def test_a_configuration_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        TrainingConfig().beta = 0.5


def test_the_batch_is_shared_evenly_or_refused():
    assert refusal({"training": {"batch_size": 10}, "resources": {"workers": 4}}) == (
        "training.batch_size must be a multiple of "
        "resources.workers x training.gradient_accumulation, got 10 for 4 x 1"
    )
    SweepConfig.model_validate(
        {"training": {"batch_size": 12, "gradient_accumulation": 3}, "resources": {"workers": 4}}
    )


@pytest.mark.parametrize("at", [[], [0.5], [1.0, 0.5], [0.5, 0.5, 1.0], [0.0, 1.0], [0.5, 1.5]])
def test_rungs_rise_and_end_with_the_last_step(at):
    assert refusal({"evaluation": {"at": at}})


def test_some_prompts_are_left_for_training():
    assert refusal({"data": {"validation": 0.5, "test": 0.5}}) == (
        "validation + test must be < 1, got 0.5 + 0.5"
    )


@pytest.mark.parametrize(
    ("metric", "wrong", "message"),
    [
        ("kl", "maximize", "kl is better when smaller, got direction maximize; allowed: minimize"),
        (
            "win_rate",
            "minimize",
            "win_rate is better when larger, got direction minimize; allowed: maximize",
        ),
    ],
)
def test_the_worse_end_cannot_be_searched_for(metric, wrong, message):
    assert refusal({"objective": {"metric": metric, "direction": wrong}}) == message


def test_label_smoothing_is_refused_where_trl_would_ignore_it():
    assert refusal({"training": {"label_smoothing": 0.1}}) == (
        "loss_type sigmoid ignores label_smoothing, got 0.1; set 0, or a loss_type that reads it: "
        "robust, exo_pair, aot, aot_unpaired"
    )
    TrainingConfig(loss_type="robust", label_smoothing=0.1)
    TrainingConfig(loss_type="robust")


def test_exo_pair_is_refused_without_the_label_smoothing_it_divides_by():
    assert refusal({"training": {"loss_type": "exo_pair"}}) == (
        "loss_type exo_pair needs label_smoothing > 0, got 0.0"
    )


@pytest.mark.parametrize("modules", ["all-linear", ["q_proj", "v_proj"]])
def test_adapters_go_to_all_linear_layers_or_to_named_ones(modules):
    assert TrainingConfig(target_modules=modules).target_modules == modules


@pytest.mark.parametrize("modules", ["q_proj", 5, [], [5], None])
def test_other_target_modules_are_refused(modules):
    assert refusal({"training": {"target_modules": modules}})


@pytest.mark.parametrize(
    "resources",
    [
        {"gpus_per_worker": 1.5},
        {"gpus_per_worker": 0.5, "workers": 2},
        {"gpus_per_worker": -1.0},
        {"cpus_per_worker": 0.0},
        {"workers": 0},
    ],
)
def test_resources_that_no_machine_can_share_are_refused(resources):
    assert refusal({"resources": resources})


@pytest.mark.parametrize(
    "uri", ["http://mlflow:5000", "sqlite:///x.db", "postgresql+psycopg2://u:p@h/db"]
)
def test_tracking_goes_to_a_server_or_a_database(uri):
    assert SweepConfig.model_validate({"tracking": {"uri": uri}}).tracking.uri == uri


@pytest.mark.parametrize("uri", ["mlruns", "file:///tmp/mlruns", "http://", ""])
def test_the_file_store_that_mlflow_gave_up_is_refused(uri):
    assert "must be the URL of a server or a database" in refusal({"tracking": {"uri": uri}})
