import pytest

from dpo_ray.cost import estimate_seconds, most_llm_calls
from dpo_ray.plan import Available, check_resources

TWO_CPUS = Available(2.0, 0, None, "this machine")
TOY = 440_000
BETA = "parameters:\n  beta: {type: float, low: 0.1, high: 0.5}\n"


def estimate(plan, available=TWO_CPUS, parameters=TOY):
    return estimate_seconds(plan, parameters, check_resources(plan, available))


def test_the_shipped_sweep_is_a_matter_of_minutes(shipped):
    found = estimate(shipped())
    assert 60 < found.low < found.high < 300


def test_without_early_stopping_there_is_nothing_to_save(shipped):
    found = estimate(shipped("search.scheduler.type=none", "confirm=null"))
    assert found.low == found.high


def test_the_confirmation_is_reserved_for(shipped):
    without, usual = estimate(shipped("confirm=null")), estimate(shipped())
    more = estimate(shipped("confirm={top: 3, seeds: 6}"))
    assert without.high < usual.high < more.high
    assert without.low < usual.low
    # The shipped one retrains the best three and the default on three seeds: 12 trials once more.
    assert usual.high - without.high == pytest.approx(without.high, rel=0.4)


LLM = "{type: llm, model: judge, url: 'http://127.0.0.1:8000/v1/chat/completions'}"


def test_calls_of_a_judging_language_model_are_counted_before_they_are_made(shipped):
    few = ("evaluation.prompts=10", "search.trials=4", "evaluation.at=[0.5, 1.0]")
    assert most_llm_calls(shipped(*few)) == 0
    one = (*few, f"evaluation.further_judges={{gpt: {LLM}}}")
    # Both orders of 10 prompts, at 2 rungs of 4 trials, and once for the reference's second sample.
    assert most_llm_calls(shipped(*one, "confirm=null")) == 2 * 10 * (4 * 2 + 1)
    # And in 2 trainings of the default and the best 1, and for the reference on test prompts.
    confirmed = shipped(*one, "confirm={top: 1, seeds: 2}")
    assert most_llm_calls(confirmed) == 2 * 10 * (4 * 2 + 1 + 2 * 2 + 1)


@pytest.mark.parametrize(
    "override",
    [
        "training.max_steps=120",
        "search.trials=24",
        "search.concurrent=1",
        "evaluation.prompts=512",
        "evaluation.temperature=0.5",
        "data.max_length=1024",
    ],
)
def test_more_work_takes_longer(shipped, override):
    assert estimate(shipped(override)).high > estimate(shipped()).high


def test_a_gpu_shortens_a_large_model(shipped):
    plan, gpus = shipped(), Available(16.0, 2, "NVIDIA H100", "this machine")
    assert estimate(plan, gpus, 135_000_000).high < estimate(plan, TWO_CPUS, 135_000_000).high / 10


def test_a_guess_is_not_made_where_size_or_length_is_unknown(shipped):
    assert estimate(shipped(), parameters=None) is None
    assert estimate(shipped("training.max_steps=null")) is None
    assert estimate(shipped("training.max_steps=null", "data.limit=1000")) is not None


def test_a_grid_of_few_points_costs_no_more_than_its_points(make):
    space = "parameters:\n  lora_rank: {type: categorical, choices: [2, 4, 8]}\n"
    sweep = "training: {max_steps: 60}"
    grid = make(space, sweep, "search.sampler=grid", "search.trials=50")
    assert grid.trials == 3
    assert estimate(grid).high == estimate(make(space, sweep, "search.trials=3")).high


def test_searched_epochs_widen_the_range(make):
    space = "parameters:\n  epochs: {type: categorical, choices: [0.5, 1.0, 2.0]}\n"
    limit = "data: {limit: 1000}"
    searched, fixed = estimate(make(space, limit)), estimate(make(BETA, limit))
    assert searched.low < fixed.low < fixed.high < searched.high


def test_the_median_rule_saves_time_and_what_the_grace_covers_saves_none(shipped):
    without = estimate(shipped("search.scheduler.type=none"))
    median = estimate(shipped("search.scheduler.type=median"))
    assert median.low < without.low
    assert median.high == without.high
    late = "search.scheduler.grace_fraction=0.6"
    assert estimate(shipped(late)).low > estimate(shipped()).low
