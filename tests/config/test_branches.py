import pytest
from pydantic import ValidationError

from dpo_ray.config.branches import (
    active,
    branch_name,
    branches,
    complete,
    is_conditional,
    root_choices,
    roots,
)
from dpo_ray.config.loading import load_space
from dpo_ray.config.space import SearchSpace
from dpo_ray.errors import ConfigError

LOSSES = {"type": "categorical", "choices": ["sigmoid", "robust", "ipo"]}
NEAR = {"type": "float", "low": 0.1, "high": 0.5, "when": {"loss_type": ["sigmoid", "robust"]}}
FAR = {"type": "float", "low": 0.2, "high": 5.0, "log": True, "when": {"loss_type": ["ipo"]}}
SMOOTHED = {"type": "float", "low": 0.0, "high": 0.2, "when": {"loss_type": ["robust"]}}
RANK = {"type": "int", "low": 2, "high": 16}
TWICE = {"type": "tied", "to": "lora_rank", "times": 2.0}


def space(**parameters) -> SearchSpace:
    return SearchSpace.model_validate({"parameters": parameters})


TREE = space(
    label_smoothing=SMOOTHED,
    loss_type=LOSSES,
    beta=[NEAR, FAR],
    lora_alpha=TWICE,
    lora_rank=RANK,
)


@pytest.mark.parametrize(
    ("loss", "names", "high"),
    [
        ("sigmoid", ["loss_type", "beta", "lora_rank"], 0.5),
        ("robust", ["label_smoothing", "loss_type", "beta", "lora_rank"], 0.5),
        ("ipo", ["loss_type", "beta", "lora_rank"], 5.0),
    ],
)
def test_the_choice_at_the_root_decides_what_is_drawn_and_from_where(loss, names, high):
    drawn = active(TREE, {"loss_type": loss})
    assert list(drawn) == names
    assert drawn["beta"].high == high


def test_roots_are_what_conditions_stand_on():
    assert roots(TREE) == ["loss_type"]
    assert list(root_choices(TREE)) == [{"loss_type": loss} for loss in LOSSES["choices"]]
    plain = space(loss_type=LOSSES, lora_rank=RANK, lora_alpha=TWICE)
    assert (roots(plain), is_conditional(plain)) == ([], False)
    assert list(root_choices(plain)) == [{}]


def test_what_is_tied_follows_and_stands_in_the_spaces_order():
    whole = complete(TREE, {"lora_rank": 8, "beta": 0.3, "loss_type": "ipo"})
    assert list(whole.items()) == [
        ("loss_type", "ipo"),
        ("beta", 0.3),
        ("lora_alpha", 16),
        ("lora_rank", 8),
    ]
    assert isinstance(whole["lora_alpha"], int)


def test_what_is_tied_to_a_branch_shares_its_condition():
    tied = space(
        loss_type=LOSSES,
        label_smoothing=SMOOTHED,
        warmup={"type": "tied", "to": "label_smoothing", "times": 3.0},
    )
    assert complete(tied, {"loss_type": "ipo"}) == {"loss_type": "ipo"}
    robust = complete(tied, {"loss_type": "robust", "label_smoothing": 0.1})
    assert robust["warmup"] == 0.3  # in binary floats it would be 0.30000000000000004


def test_a_branch_has_a_name_of_its_own_and_a_single_one_the_fields():
    near, far = branches(TREE, "beta")
    assert branch_name(TREE, "beta", near) == "beta[loss_type=sigmoid|robust]"
    assert branch_name(TREE, "beta", far) == "beta[loss_type=ipo]"
    (smoothed,) = branches(TREE, "label_smoothing")
    assert branch_name(TREE, "label_smoothing", smoothed) == "label_smoothing"


def test_two_roots_may_share_the_work_of_telling_branches_apart():
    weights = {"type": "categorical", "choices": [True, False]}
    both = {"loss_type": ["ipo"], "use_rslora": [True]}
    other = {"loss_type": ["ipo"], "use_rslora": [False]}
    tree = space(
        loss_type=LOSSES,
        use_rslora=weights,
        beta=[NEAR, {**FAR, "when": both}, {**FAR, "when": other}],
    )
    assert len(list(root_choices(tree))) == 6
    assert active(tree, {"loss_type": "ipo", "use_rslora": False})["beta"].when == other


@pytest.mark.parametrize(
    ("beta", "message"),
    [
        (
            "[{type: float, low: 1, high: 2, when: {loss_type: [ipo]}},\n"
            "         {type: float, low: 3, high: 4, when: {loss_type: [sigmoid, ipo]}}]",
            "q.yaml:4: parameters.beta[1].when: overlaps an earlier branch: no configuration may "
            "belong to two",
        ),
        (
            "[{type: float, low: 1, high: 2, when: {loss_type: [ipo]}},\n"
            "         {type: float, low: 3, high: 4}]",
            "q.yaml:4: parameters.beta[1]: overlaps an earlier branch: no configuration may "
            "belong to two",
        ),
        (
            "{type: float, low: 1, high: 2, when: {lss_type: [ipo]}}",
            "q.yaml:3: parameters.beta.when.lss_type: is not a parameter of this space; "
            "did you mean loss_type? allowed: loss_type",
        ),
        (
            "{type: float, low: 1, high: 2, when: {loss_type: [hinge]}}",
            "q.yaml:3: parameters.beta.when.loss_type: must list choices of loss_type, got "
            '"hinge"; allowed: sigmoid, ipo',
        ),
        (
            "{type: float, low: 1, high: 2, when: {loss_type: []}}",
            "q.yaml:3: parameters.beta.when.loss_type: must not be empty, got []",
        ),
        (
            "{type: categorical, choices: [0.1], when: {beta: [0.1]}}",
            "q.yaml:3: parameters.beta.when.beta: must be a categorical parameter without a "
            "condition of its own; allowed: loss_type",
        ),
        (
            "{type: float, low: 1, high: 2, when: {lora_rank: [2]}}",
            "q.yaml:3: parameters.beta.when.lora_rank: must be a categorical parameter without a "
            "condition of its own; allowed: loss_type",
        ),
        (
            "[{type: tied, to: lora_rank}]",
            "q.yaml:3: parameters.beta[0]: a tied parameter has no branches: it follows what it "
            "is tied to",
        ),
        (
            "{type: tied, to: lora_rnk}",
            "q.yaml:3: parameters.beta.to: must be a parameter that is drawn, got lora_rnk; did "
            "you mean lora_rank? allowed: loss_type, lora_rank",
        ),
        (
            "{type: tied, to: beta}",
            "q.yaml:3: parameters.beta.to: must be a parameter that is drawn, got beta; "
            "allowed: loss_type, lora_rank",
        ),
        (
            "{type: tied, to: loss_type}",
            "q.yaml:3: parameters.beta.to: must be a number to follow, loss_type may be sigmoid",
        ),
        (
            "[{type: flot, low: 1}]",
            'q.yaml:3: parameters.beta[0].type: unknown value, got "flot"; allowed: float, int, '
            "categorical, tied",
        ),
        (
            "[{type: float, low: 1, high: 2, hihg: 3}]",
            "q.yaml:3: parameters.beta[0].hihg: unknown key; did you mean high? allowed: type, "
            "low, high, log, step, relative, when",
        ),
        ("[]", "q.yaml:3: parameters.beta: must not be empty, got []"),
    ],
)
def test_branches_and_ties_that_cannot_hold_are_refused_where_they_stand(write, beta, message):
    text = (
        "parameters:\n  loss_type: {type: categorical, choices: [sigmoid, ipo]}\n"
        f"  beta: {beta}\n  lora_rank: {{type: int, low: 2, high: 4}}\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_space(write("q.yaml", text))
    assert str(caught.value) == message


def test_a_circle_of_conditions_cannot_be_written():
    first = {"type": "categorical", "choices": [0.1, 0.2], "when": {"warmup": [0.1]}}
    with pytest.raises(ValidationError, match="without a condition of its own; allowed: none"):
        space(beta=first, warmup={**first, "when": {"beta": [0.1]}})
