import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpo_ray.config.document import Document
from dpo_ray.config.loading import load_space, load_sweep
from dpo_ray.config.overrides import apply_overrides
from dpo_ray.errors import ConfigError

TOP = (
    "model, data, reference, training, evaluation, objective, search, confirm, "
    "champion, resources, budget, tracking, cluster, space, schedule, alerts"
)
TRAINING = (
    "beta, learning_rate, mode, lora_rank, lora_alpha, use_rslora, target_modules, loss_type, "
    "example_weight, label_smoothing, sft_weight, max_steps, epochs, batch_size, "
    "gradient_accumulation, lr_scheduler, warmup, weight_decay, max_grad_norm, "
    "gradient_checkpointing, logging_steps, checkpoint_steps, seed"
)
LOSSES = (
    "sigmoid, hinge, ipo, exo_pair, nca_pair, robust, bco_pair, sppo_hard, aot, aot_unpaired, "
    "apo_zero, apo_down, discopop, sft, sigmoid_norm"
)


def refusal(load, *arguments) -> str:
    with pytest.raises(ConfigError) as caught:
        load(*arguments)
    assert caught.value.exit_code == 2
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "training:\n  learing_rate: 1.0e-3\n",
            "s.yaml:2: training.learing_rate: unknown key; did you mean learning_rate? "
            f"allowed: {TRAINING}",
        ),
        (
            "beta: 0.3\n",
            f"s.yaml:1: beta: unknown key; did you mean training.beta? allowed: extends, {TOP}",
        ),
        ("training:\n  beta: -0.1\n", "s.yaml:2: training.beta: must be > 0, got -0.1"),
        ("training:\n  beta: 0\n", "s.yaml:2: training.beta: must be > 0, got 0"),
        ("training: {beta: .nan}\n", "s.yaml:1: training.beta: must be a finite number, got NaN"),
        ("training: {lora_rank: 0}\n", "s.yaml:1: training.lora_rank: must be >= 1, got 0"),
        (
            "training: {lora_rank: 2.5}\n",
            "s.yaml:1: training.lora_rank: must be a whole number, got 2.5",
        ),
        (
            "training: {beta: '0.3'}\n",
            's.yaml:1: training.beta: must be a number, got "0.3"; remove the quotes',
        ),
        (
            "training: {loss_type: sigmod}\n",
            's.yaml:1: training.loss_type: unknown value, got "sigmod"; did you mean sigmoid? '
            f"allowed: {LOSSES}",
        ),
        (
            "training: {target_modules: q_proj}\n",
            "s.yaml:1: training.target_modules: must be all-linear, attention, mlp or a list of "
            'module names, got "q_proj"',
        ),
        (
            "training: {gradient_checkpointing: yes}\n",
            's.yaml:1: training.gradient_checkpointing: must be true or false, got "yes"',
        ),
        ("training:\n", "s.yaml:1: training: must be a map of keys, got nothing"),
        (
            "evaluation:\n  at:\n    - 0.5\n    - 1.5\n",
            "s.yaml:4: evaluation.at[1]: must be <= 1, got 1.5",
        ),
        (
            "evaluation:\n  at: [0.5]\n",
            "s.yaml:2: evaluation.at: must rise strictly and end with 1.0, got [0.5]",
        ),
        (
            "search: {trials: 4}\nresources:\n  workers: 3\n",
            "s.yaml:3: resources.workers: training.batch_size must be a multiple of "
            "resources.workers x training.gradient_accumulation, got 16 for 3 x 1",
        ),
        (
            "tracking: {uri: 'ftp://me:hunter2@host/x'}\n",
            "s.yaml:1: tracking.uri: must be the URL of a server or a database, "
            'got "ftp://***@host/x"; allowed: http://, https://, sqlite://, postgresql://, '
            "mysql://, mssql://",
        ),
        ("- a\n- b\n", "s.yaml: must be a map of keys, got a list"),
        ("", "s.yaml: must be a map of keys, and is empty"),
        ("# only a comment\n", "s.yaml: must be a map of keys, and is empty"),
    ],
)
def test_a_bad_sweep_file_is_refused_in_these_words(write, text, message):
    assert refusal(load_sweep, write("s.yaml", text)) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "parameters:\n  beta: {type: float, low: 0.5, high: 0.1}\n",
            "q.yaml:2: parameters.beta.low: low <= high must hold, got low=0.5 and high=0.1",
        ),
        (
            "parameters:\n  beta:\n    type: float\n    low: 0\n    high: 1\n    log: true\n",
            "q.yaml:4: parameters.beta.low: a logarithmic range needs low > 0, got 0.0",
        ),
        (
            "parameters:\n  beta: {type: flot, low: 0.1, high: 0.5}\n",
            'q.yaml:2: parameters.beta.type: unknown value, got "flot"; '
            "allowed: float, int, categorical, tied",
        ),
        (
            "parameters:\n  beta: {low: 0.1, high: 0.5}\n",
            "q.yaml:2: parameters.beta.type: is required; allowed: float, int, categorical, tied",
        ),
        (
            "parameters:\n  beta: {type: float, low: 0.1}\n",
            "q.yaml:2: parameters.beta.high: is required",
        ),
        (
            "parameters:\n  beta: {type: float, low: 0.1, high: 0.5, hihg: 0.5}\n",
            "q.yaml:2: parameters.beta.hihg: unknown key; did you mean high? "
            "allowed: type, low, high, log, step, relative, when",
        ),
        ("parameters: {}\n", "q.yaml:1: parameters: must not be empty, got {}"),
        (
            "paramters: {}\n",
            "q.yaml:1: paramters: unknown key; did you mean parameters? allowed: parameters\n"
            "q.yaml: parameters: is required",
        ),
    ],
)
def test_a_bad_space_file_is_refused_in_these_words(write, text, message):
    assert refusal(load_space, write("q.yaml", text)) == message


def test_all_that_is_wrong_is_said_at_once_in_the_order_of_the_lines(write):
    text = "search: {trials: 0}\n" + "\n" * 8 + "data: {limit: 0}\ntraining: {beta: 0}\n"
    assert refusal(load_sweep, write("s.yaml", text)).splitlines() == [
        "s.yaml:1: search.trials: must be >= 1, got 0",
        "s.yaml:10: data.limit: must be >= 1, got 0",
        "s.yaml:11: training.beta: must be > 0, got 0",
    ]


def test_a_missing_file_is_named_with_its_nearest_neighbour(write):
    write("sweeps/local.yaml", "{}")
    assert refusal(load_sweep, write("x", "").with_name("sweeps") / "locl.yaml") == (
        "sweeps/locl.yaml: no such file; did you mean sweeps/local.yaml?"
    )


def test_files_that_are_not_yaml_text_are_refused(write):
    path = write("s.yaml", "")
    path.write_bytes("training: {}".encode("utf-16"))
    assert refusal(load_sweep, path) == "s.yaml: must be UTF-8 text, got 0xff at byte 0"
    path.write_bytes(b"#" * 1_000_001)
    assert refusal(load_sweep, path) == ("s.yaml: must have at most 1,000,000 bytes, has 1,000,001")
    path.write_bytes(b"a: \x00")
    assert refusal(load_sweep, path).startswith("s.yaml:1: not valid YAML: ")
    assert refusal(load_sweep, path.parent) == ".: cannot be read: Is a directory"


def test_a_file_is_laid_over_the_one_it_extends(write):
    write("base.yaml", "training: {beta: 0.2, max_steps: 5}\nevaluation: {at: [0.5, 1.0]}\n")
    path = write("s.yaml", "extends: base.yaml\ntraining: {beta: 0.3}\nevaluation: {at: [1.0]}\n")
    sweep = load_sweep(path)
    assert (sweep.training.beta, sweep.training.max_steps) == (0.3, 5)  # maps merge
    assert sweep.evaluation.at == [1.0]  # lists replace


@pytest.mark.parametrize(
    ("own", "judge"),
    [
        ("{tie: 0.5}", {"type": "reward", "function": "vader", "tie": 0.5}),
        ("{type: reward, tie: 0.5}", {"type": "reward", "function": "vader", "tie": 0.5}),
        ("{type: reward_model, model: org/m}", {"type": "reward_model", "model": "org/m"}),
    ],
)
def test_a_map_of_another_type_replaces_the_bases(write, own, judge):
    """It has other keys: nothing else could take the base's away."""
    write("base.yaml", "evaluation: {judge: {type: reward, function: vader, tie: 0.1}}\n")
    sweep = load_sweep(write("s.yaml", f"extends: base.yaml\nevaluation: {{judge: {own}}}\n"))
    assert sweep.evaluation.judge.model_dump(exclude_unset=True) == judge


def test_what_the_base_file_says_wrong_is_laid_at_its_door(write):
    write("sweeps/base.yaml", "search: {trials: 3}\ntraining:\n  beta: -1\n")
    path = write("sweeps/night.yaml", "extends: base.yaml\ntraining: {lora_rank: 0}\n")
    assert refusal(load_sweep, path).splitlines() == [
        "sweeps/base.yaml:3: training.beta: must be > 0, got -1",
        "sweeps/night.yaml:2: training.lora_rank: must be >= 1, got 0",
    ]


@pytest.mark.parametrize(
    ("extends", "message"),
    [
        (
            "bse.yaml",
            "s.yaml:2: extends: bse.yaml: no such file; did you mean base.yaml?",
        ),
        ("5", "s.yaml:2: extends: must be the path of a sweep file, got 5"),
        (
            "two.yaml",
            "s.yaml:2: extends: goes one level, and two.yaml:1 extends another file itself",
        ),
    ],
)
def test_a_file_that_cannot_be_extended_is_refused(write, extends, message):
    write("base.yaml", "{}")
    write("two.yaml", "extends: base.yaml\n")
    assert refusal(load_sweep, write("s.yaml", f"# a night\nextends: {extends}\n")) == message


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.beta=-1", "--set training.beta=-1: must be > 0, got -1"),
        (
            "beta=0.3",
            "--set beta=0.3: unknown key; did you mean training.beta? allowed: " + TOP,
        ),
        (
            "trainng.beta=1",
            f"--set trainng.beta=1: trainng: unknown key; did you mean training? allowed: {TOP}",
        ),
        ("search.trials", "--set search.trials: must read KEY=VALUE, as in search.trials=40"),
        ("=5", "--set =5: must read KEY=VALUE, as in search.trials=40"),
        (
            "training.beta.x=1",
            "--set training.beta.x=1: training.beta holds 0.2, which has no keys to set",
        ),
        (
            "extends=a.yaml",
            "--set extends=a.yaml: works in a sweep file only; choose another file with --sweep",
        ),
        (
            "evaluation.at=[0.5, 2]",
            "--set evaluation.at=[0.5, 2]: evaluation.at[1]: must be <= 1, got 2",
        ),
        ("api_key=hunter2", f"--set api_key=***: unknown key; allowed: {TOP}"),
    ],
)
def test_a_bad_override_is_refused_in_these_words(write, override, message):
    path = write("s.yaml", "training: {beta: 0.2}\n")
    assert refusal(load_sweep, path, [override]) == message


def test_overrides_win_over_the_file_and_later_ones_over_earlier(write):
    path = write("s.yaml", "training: {beta: 0.2}\n")
    overrides = ["training.beta=0.3", "training.beta=4e-1", "evaluation.at=[0.5, 1.0]"]
    sweep = load_sweep(path, [*overrides, "data.source=*.jsonl", "training.max_steps=null"])
    assert sweep.training.beta == 0.4
    assert sweep.evaluation.at == [0.5, 1.0]
    assert sweep.data.source == "*.jsonl"
    assert sweep.training.max_steps is None


@given(
    st.text(st.characters(exclude_categories=["Cs"])).filter(lambda text: text[:1] not in "[{\"'")
)
def test_unquoted_override_text_is_never_cut(text):
    document = apply_overrides(Document({}, {}), [f"data.source={text}"])
    value = document.values["data"]["source"]
    assert value == text or not isinstance(value, str)


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_override_is_applied_or_refused(key, value):
    try:
        document = apply_overrides(Document({"training": {}}, {}), [f"{key}={value}"])
    except ConfigError as error:
        message = str(error)
        assert message.startswith("--set ")
    else:
        assert document.values
