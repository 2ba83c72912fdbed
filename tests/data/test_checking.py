"""Every row is checked: broken ones are named, doubtful ones counted, dropped or kept as told."""

import pytest

from dpo_ray.config.data import WarningsConfig
from dpo_ray.data.checking import check_rows
from dpo_ray.data.checks import check_row, detect_format
from dpo_ray.errors import DataError

GOOD = {"prompt": "The soup was", "chosen": " good.", "rejected": " bad."}
TALK = {
    "prompt": [{"role": "user", "content": "How was the soup?"}],
    "chosen": [{"role": "assistant", "content": "Good."}],
    "rejected": [{"role": "assistant", "content": "Bad."}],
}
ASKED = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How was it?"}]
IMPLICIT = {"chosen": "The soup was good.", "rejected": "The soup was bad."}
IMPLICIT_TALK = {
    "chosen": [*ASKED, {"role": "assistant", "content": "Good."}],
    "rejected": [*ASKED, {"role": "assistant", "content": "Bad."}],
}
TOOLS = [{"type": "function", "function": {"name": "weather"}}]


def checked(*rows, **warnings):
    expected = detect_format(rows[0], list(rows[0]))
    return check_rows("pairs", iter(rows), expected, WarningsConfig.model_validate(warnings))


def refusal(*rows, **warnings):
    with pytest.raises(DataError) as caught:
        checked(*rows, **warnings)
    assert caught.value.exit_code == 2
    return str(caught.value)


@pytest.mark.parametrize(
    ("row", "name"),
    [
        (GOOD, "standard"),
        (TALK, "conversational"),
        (IMPLICIT, "standard, implicit prompt"),
        (IMPLICIT_TALK, "conversational, implicit prompt"),
        ({**TALK, "tools": TOOLS}, "conversational, tools"),
        ({**IMPLICIT_TALK, "tools": TOOLS}, "conversational, implicit prompt, tools"),
    ],
)
def test_the_format_is_read_off_the_first_row(row, name):
    assert str(detect_format(row, list(row))) == name
    assert checked(row).keep.tolist() == [True]


@pytest.mark.parametrize(
    ("row", "prompt", "chosen"),
    [
        (IMPLICIT, "The soup was", " good."),
        (IMPLICIT_TALK, ASKED, [{"role": "assistant", "content": "Good."}]),
    ],
)
def test_an_implicit_prompt_is_split_off(row, prompt, chosen):
    cleaned = check_row(1, row, detect_format(row, list(row)))
    assert (cleaned["prompt"], cleaned["chosen"]) == (prompt, chosen)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"chosen": None}, "chosen must not be null, got null"),
        ({"chosen": ""}, "chosen must not be empty, got ''"),
        ({"prompt": " \n"}, r"prompt must not be empty, got ' \n'"),
        ({"chosen": 5}, "chosen must be a string (the first row sets the format), got int"),
        (TALK, "prompt must be a string (the first row sets the format), got list"),
    ],
)
def test_a_bad_string_row_is_named_with_its_rule_and_value(change, text):
    assert refusal(GOOD, {**GOOD, **change}) == f"pairs: row 2: {text}"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"rejected": None}, "rejected must not be null, got null"),
        ({"chosen": []}, "chosen must hold at least one message, got an empty list"),
        (
            {"chosen": [{"role": "user", "content": "Good."}]},
            "chosen must be spoken by the assistant, got role 'user'",
        ),
        (
            {"rejected": [{"role": "assistant", "content": ""}]},
            "rejected: the assistant message must not be empty, got ''",
        ),
        (
            {"prompt": [{"role": "user"}]},
            "prompt: the user message must not be empty, got None",
        ),
        (
            {"prompt": [{"role": None, "content": "How?"}]},
            "prompt: every message must be {role, content}, got {'role': None, 'content': 'How?'}",
        ),
        (GOOD, "prompt must be a list of messages (the first row sets the format), got str"),
    ],
)
def test_a_bad_conversation_is_named_with_its_rule_and_value(change, text):
    assert refusal(TALK, {**TALK, **change}) == f"pairs: row 2: {text}"


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        (
            [IMPLICIT, {"chosen": "Tea", "rejected": "Milk"}],
            "without a prompt column chosen and rejected must begin with the same prompt, "
            "got no shared first character",
        ),
        (
            [IMPLICIT_TALK, TALK],
            "without a prompt column chosen and rejected must begin with the same prompt, "
            "got no shared first message",
        ),
        (
            [{**TALK, "tools": TOOLS}, {**TALK, "tools": "{oops"}],
            "tools must be a list of tools, or JSON of one, got '{oops'",
        ),
        (
            [{**TALK, "tools": TOOLS}, {**TALK, "tools": 7}],
            "tools must be a list of tools, or JSON of one, got int",
        ),
        (
            [IMPLICIT_TALK, {**IMPLICIT_TALK, "chosen": "Good."}],
            "chosen must be a list of messages (the first row sets the format), got str",
        ),
    ],
)
def test_what_only_some_forms_can_break_is_named_too(rows, text):
    assert refusal(*rows) == f"pairs: row 2: {text}"


def test_tools_may_be_json_or_null_and_a_tool_call_needs_no_text():
    call = {"role": "assistant", "content": None, "tool_calls": [{"name": "weather", "id": None}]}
    rows = [
        {**TALK, "tools": TOOLS},
        {**TALK, "tools": '[{"name": "weather"}]', "chosen": [call]},
        {**TALK, "tools": None},
    ]
    expected = detect_format(rows[0], list(rows[0]))
    cleaned = [check_row(number, row, expected) for number, row in enumerate(rows, 1)]
    assert [row["tools"] for row in cleaned] == [TOOLS, [{"name": "weather"}], None]
    assert cleaned[1]["chosen"] == [{"role": "assistant", "tool_calls": [{"name": "weather"}]}]


def test_five_bad_rows_are_shown_and_the_others_counted():
    lines = refusal(GOOD, *[{**GOOD, "chosen": ""}] * 7).splitlines()
    assert [line.split(": ")[1] for line in lines[:5]] == [f"row {n}" for n in range(2, 7)]
    assert lines[5:] == ["pairs: and 2 more rows with problems"]


SAME = {**GOOD, "chosen": " bad."}
TURNED = {**GOOD, "chosen": " bad.", "rejected": " good."}
OTHER = {**GOOD, "prompt": "The tea was"}
DOUBTFUL = [GOOD, SAME, GOOD, TURNED, OTHER, SAME]


def test_doubtful_rows_are_counted_with_their_numbers_and_dropped_or_kept_by_default():
    found = checked(*DOUBTFUL)
    assert {each.reason: (each.count, each.action, each.rows) for each in found.findings} == {
        "identical_pair": (2, "drop", [2, 6]),
        "duplicate_pair": (1, "drop", [3]),
        "contradicting_pair": (3, "keep", [1, 3, 4]),
    }
    assert found.keep.tolist() == [True, False, False, True, True, False]


@pytest.mark.parametrize(
    ("warnings", "kept"),
    [
        ({"identical_pair": "keep"}, [1, 2, 4, 5, 6]),
        ({"duplicate_pair": "keep"}, [1, 3, 4, 5]),
        ({"contradicting_pair": "drop"}, [5]),
    ],
)
def test_what_happens_to_doubtful_rows_is_the_configurations_word(warnings, kept):
    keep = checked(*DOUBTFUL, **warnings).keep
    assert [number for number, stays in enumerate(keep, 1) if stays] == kept


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ("identical_pair", "chosen equals rejected in 2 rows: rows 2, 6"),
        ("duplicate_pair", "the same pair again in 1 row: row 3"),
        ("contradicting_pair", "the opposite preference is there, too in 3 rows: rows 1, 3, 4"),
    ],
)
def test_a_doubtful_row_may_stop_everything(reason, text):
    assert refusal(*DOUBTFUL, **{reason: "stop"}) == (
        f"pairs: data.warnings.{reason} is stop, and {text}"
    )


def test_a_source_in_which_nothing_is_preferred_says_so():
    assert refusal(*[SAME] * 3) == (
        "pairs: no row is left: in all 3 rows chosen equals rejected, so there is nothing to prefer"
    )


def test_a_source_that_warnings_empty_says_which():
    assert refusal(SAME, GOOD, TURNED, contradicting_pair="drop") == (
        "pairs: no row is left: of 3 rows 1 because chosen equals rejected, 2 because the opposite "
        "preference is there, too (data.warnings says to drop them)"
    )
