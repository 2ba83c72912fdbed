import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from dpo_ray.config.branches import active, complete
from dpo_ray.config.parameters import contains
from dpo_ray.config.space import SearchSpace
from dpo_ray.search.distributions import distributions, propose, recorded

TREE = SearchSpace.model_validate(
    {
        "parameters": {
            "beta": [
                {
                    "type": "float",
                    "low": 0.1,
                    "high": 0.5,
                    "when": {"loss_type": ["sigmoid", "robust"]},
                },
                {
                    "type": "float",
                    "low": 0.2,
                    "high": 5.0,
                    "log": True,
                    "when": {"loss_type": ["ipo"]},
                },
            ],
            "label_smoothing": {
                "type": "float",
                "low": 0.05,
                "high": 0.2,
                "step": 0.05,
                "when": {"loss_type": ["robust"]},
            },
            "loss_type": {"type": "categorical", "choices": ["sigmoid", "robust", "ipo"]},
            "lora_alpha": {"type": "tied", "to": "lora_rank", "times": 2.0},
            "lora_rank": {"type": "int", "low": 2, "high": 16, "log": True},
        }
    }
)
ROBUST = {
    "beta": 0.3,
    "label_smoothing": 0.15,
    "loss_type": "robust",
    "lora_alpha": 16,
    "lora_rank": 8,
}


@pytest.fixture
def study() -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))


def test_proposals_have_what_their_own_root_makes_active_and_nothing_else(study):
    seen = set()
    for _ in range(40):
        params = propose(TREE, study.ask())
        ranges = active(TREE, params)
        assert set(params) == {*ranges, "lora_alpha"}
        assert list(params) == [name for name in TREE.parameters if name in params]
        assert all(contains(ranges[name], params[name]) for name in ranges)
        assert params["lora_alpha"] == 2 * params["lora_rank"]
        seen.add(params["loss_type"])
    assert seen == {"sigmoid", "robust", "ipo"}


def test_optuna_sees_a_branch_under_a_name_of_its_own_and_no_tied_field(study):
    names = set()
    for _ in range(20):
        trial = study.ask()
        propose(TREE, trial)
        names |= trial.params.keys()
    assert names == {
        "loss_type",
        "beta[loss_type=sigmoid|robust]",
        "beta[loss_type=ipo]",
        "label_smoothing",
        "lora_rank",
    }
    assert names == distributions(TREE).keys()


def test_what_was_proposed_is_recorded_as_optuna_saw_it(study):
    for _ in range(20):
        trial = study.ask()
        params, seen = recorded(TREE, propose(TREE, trial))
        assert params == trial.params
        assert seen == trial.distributions


def test_a_queued_configuration_is_proposed_as_it_is(study):
    study.enqueue_trial(recorded(TREE, ROBUST)[0])
    assert propose(TREE, study.ask()) == ROBUST


def test_a_recorded_configuration_can_be_a_trial_of_a_study(study):
    params, ranges = recorded(TREE, ROBUST)
    assert params["label_smoothing"] == pytest.approx(0.15)
    assert ranges == {
        "beta[loss_type=sigmoid|robust]": FloatDistribution(0.1, 0.5),
        "label_smoothing": FloatDistribution(0.05, 0.2, step=0.05),
        "loss_type": CategoricalDistribution(("sigmoid", "robust", "ipo")),
        "lora_rank": IntDistribution(2, 16, log=True),
    }
    study.add_trial(optuna.create_trial(params=params, distributions=ranges, value=0.6))
    assert study.best_params == params


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"beta": 0.7}, "beta is 0.7, outside the space's 0.1 to 0.5"),
        ({"loss_type": "hinge"}, 'loss_type is "hinge", outside the space\'s sigmoid, robust, ipo'),
        ({"beta": None}, "lacks beta"),
        ({"loss_type": None}, "lacks loss_type"),
        (
            {"loss_type": "sigmoid"},
            "label_smoothing is not searched at the roots of this configuration",
        ),
        ({"lora_alpha": 32}, "lora_alpha is 32, tied it is 16"),
        ({"warmup": 0.1}, "warmup is not searched at the roots of this configuration"),
    ],
)
def test_a_configuration_of_another_space_is_refused_with_the_reason(change, reason):
    params = {key: value for key, value in {**ROBUST, **change}.items() if value is not None}
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole text is compared
        recorded(TREE, params)
    assert str(caught.value) == reason


def test_the_tied_value_may_be_left_out_of_what_is_recorded():
    without = {name: value for name, value in ROBUST.items() if name != "lora_alpha"}
    assert recorded(TREE, without) == recorded(TREE, ROBUST)
    assert complete(TREE, without) == ROBUST


def test_points_of_a_grid_are_proposed_as_they_would_be_written(study):
    values = {propose(TREE, study.ask()).get("label_smoothing") for _ in range(60)}
    assert values == {None, 0.05, 0.1, 0.15, 0.2}
