"""The loader of sweep and space files on made and mutated files, through to the plan."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpo_ray.config.sweep import SweepConfig
from dpo_ray.plan import make_plan
from tests.fuzz.fuzzing import bounded_memory, edited, ends_well, examples
from tests.sweeping import ROOT

SWEEP, SPACE = ROOT / "sweeps/local.yaml", ROOT / "search_spaces/beta.yaml"
SHIPPED = sorted((ROOT / "search_spaces").glob("*.yaml"))
WORDS = (
    b"\n", b"  ", b"\t", b": ", b"- ", b"[", b"{", b"}", b"#", b"&a ", b"*a", b"?", b"|", b">",
    b"'", b'"', b"---\n", b"...", b"%YAML 9.9\n", b"!!python/name:os", b"null", b"true", b"1e999",
    b".nan", b"-0", b"0x1f", b"1_000", b"9" * 5000, b"\x00", b"\xff\xfe", b"\xe2\x80\xa8", b"low",
    b"high: 0", b"log: true", b"type: tied, to: beta", b"[" * 40, b"when: {loss_type: [ipo]}",
    b"beta: {type: float, low: 1e-300, high: 1e300, log: true}", b"training.beta", b"<<: {a: 1}",
    b"extends: local.yaml\n",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("yaml")


def plan(folder: Path, space: bytes | None = None, sweep: bytes | None = None) -> bool:
    places = []
    for name, content, shipped in (("space", space, SPACE), ("sweep", sweep, SWEEP)):
        if content is not None:
            (folder / f"{name}.yaml").write_bytes(content)
        places.append(shipped if content is None else folder / f"{name}.yaml")
    return ends_well(lambda: make_plan(*places, [], folder / "store"))


def test_a_mutated_sweep_file_is_planned_or_refused(folder):
    good = SWEEP.read_bytes()

    @examples(fuzzers=4)
    @given(edited(good, WORDS))
    def look(content):
        plan(folder, sweep=content)

    with bounded_memory():
        assert plan(folder, sweep=good)
        look()
    assert not (folder / "store").exists()


def test_a_mutated_space_file_is_planned_or_refused(folder):
    @examples(fuzzers=4)
    @given(st.sampled_from(SHIPPED).flatmap(lambda file: edited(file.read_bytes(), WORDS)))
    def look(content):
        plan(folder, space=content)

    with bounded_memory():
        look()


numbers = (
    st.integers() | st.floats(allow_nan=False) | st.sampled_from([0, 1, 1e-5, 0.1, 16, 60, -1])
)
scalars = st.none() | st.booleans() | numbers | st.text(max_size=12) | st.sampled_from(["sigmoid"])
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner)
)


def sections(model) -> dict[str, list[str]]:
    found = {}
    for name, field in model.model_fields.items():
        fields = getattr(field.annotation, "model_fields", None)
        found[name] = sorted(fields) if fields else []
    return found


@st.composite
def sweeps(draw):
    """Real sections and keys, with any values."""
    known = sections(SweepConfig)
    made = {}
    for name in draw(st.lists(st.sampled_from(sorted(known)), max_size=4, unique=True)):
        keys = draw(st.lists(st.sampled_from(known[name] or ["x"]), max_size=4, unique=True))
        made[name] = draw(values) if not known[name] else {key: draw(values) for key in keys}
    return json.dumps(made).encode()


@st.composite
def spaces(draw):
    """Real fields and kinds of parameters, with any ends, choices, ties and conditions."""
    fields = [
        "beta",
        "learning_rate",
        "lora_rank",
        "loss_type",
        "epochs",
        "warmup",
        "label_smoothing",
    ]
    choices = st.lists(numbers | st.sampled_from(["sigmoid", "ipo", "robust"]), max_size=4)
    kinds = {
        "type": st.sampled_from(["float", "int", "categorical", "tied"]),
        "low": numbers, "high": numbers, "log": st.booleans(), "step": numbers | st.none(),
        "relative": st.booleans(), "choices": choices, "to": st.sampled_from(fields),
        "times": numbers, "when": st.dictionaries(st.sampled_from(fields), choices, max_size=2),
    }  # fmt: skip
    parameter = st.fixed_dictionaries({"type": kinds.pop("type")}, optional=kinds) | values
    either = parameter | st.lists(parameter, max_size=3)
    made = {"parameters": draw(st.dictionaries(st.sampled_from(fields), either, max_size=4))}
    return json.dumps(made).encode()


def test_a_made_sweep_file_is_planned_or_refused(folder):
    @examples(fuzzers=4)
    @given(sweeps())
    def look(content):
        plan(folder, sweep=content)

    with bounded_memory():
        look()


def test_a_made_space_file_is_planned_or_refused(folder):
    @examples(fuzzers=4)
    @given(spaces())
    def look(content):
        plan(folder, space=content)

    with bounded_memory():
        look()
