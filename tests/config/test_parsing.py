import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpo_ray.config.parsing import MAX_DEPTH, parse, parse_scalar
from dpo_ray.errors import ConfigError


def read(text: str):
    return parse(text, lambda line: f"f.yaml:{line}", {})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-5", 1e-5),  # YAML 1.1 readers take this for text
        ("2.0e-3", 2e-3),
        (".5", 0.5),
        ("-3", -3),
        ("true", True),
        ("yes", "yes"),  # a truth value in YAML 1.1 only
        ("null", None),
        ("2024-01-01", "2024-01-01"),
        ("'5'", "5"),
        ("Qwen/Qwen3-0.6B", "Qwen/Qwen3-0.6B"),
        (r'"\ud83d\ude00"', "\N{GRINNING FACE}"),  # as JSON writes it
    ],
)
def test_scalars_are_read_as_yaml_1_2(text, value):
    found = read(f"key: {text}")["key"]
    assert found == value
    assert type(found) is type(value)


def test_every_value_has_its_line():
    places = {}
    parse("a: 1\nb:\n  c: [1,\n    2]\n", lambda line: f"f.yaml:{line}", places)
    assert places[("a",)] == "f.yaml:1"
    assert places[("b", "c")] == "f.yaml:3"
    assert places[("b", "c", 1)] == "f.yaml:4"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "f.yaml:3: a: written twice, first at f.yaml:1"),
        (
            "a: !!python/object:os.system x",
            "f.yaml:1: tags are not allowed, got !!python/object:os.system",
        ),
        ("a: !!str 5", "f.yaml:1: tags are not allowed, got !!str"),
        (
            "a: &x 1\nb: *x\n",
            "f.yaml:2: aliases are not allowed, got *x; write the value out",
        ),
        ("a: " + "[" * 50_000, f"f.yaml:1: must be nested at most {MAX_DEPTH} deep, got more"),
        ("1: a", "f.yaml:1: keys must be text, got 1"),
        (": a", "f.yaml:1: keys must be text, got nothing"),
        (
            "a: [1,\nb: 2",
            "f.yaml:2: not valid YAML: while parsing a flow sequence from line 1, "
            "expected ',' or ']', but got '<stream end>'",
        ),
        (
            "a: 1\n\tb: 2",
            "f.yaml:2: not valid YAML: found character '\\t' that cannot start any token",
        ),
        ("a: b: c", "f.yaml:1: not valid YAML: mapping values are not allowed here"),
        ("a: " + "9" * 5000, "f.yaml:1: must be a readable number, got 5,000 digits"),
        (
            "a: 1\n---\nb: 2",
            "f.yaml:2: not valid YAML: expected a single document in the stream from line 1, "
            "but found another document",
        ),
    ],
)
def test_what_is_refused_is_refused_with_its_line(text, message):
    with pytest.raises(ConfigError) as refusal:
        read(text)
    assert str(refusal.value) == message


def test_half_a_character_is_refused():
    with pytest.raises(ConfigError, match=r"f\.yaml:1: must be readable text"):
        read(r'key: "\ud83d"')


def test_an_alias_flood_is_refused_before_anything_is_built():
    flood = "a0: &a0 [x, x]\n" + "".join(
        f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 60)
    )
    with pytest.raises(ConfigError, match="aliases are not allowed"):
        read(flood)


@given(st.text())
def test_any_text_is_read_or_refused(text):
    try:
        read(text)
    except ConfigError as error:
        message = str(error)
        assert message.startswith("f.yaml:")


@given(st.integers() | st.floats(allow_nan=False) | st.booleans())
def test_what_python_writes_is_read_back(value):
    written = {True: "true", False: "false"}[value] if isinstance(value, bool) else repr(value)
    written = written.replace("inf", ".inf")
    assert parse_scalar(written, "here") == value
