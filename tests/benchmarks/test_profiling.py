"""A profile's parts are functions that exist, or their time would fall to the rest."""

import importlib.util
from pathlib import Path

import pytest

from benchmarks.profiling import SHARES

PACKAGES = ("dpo_ray", "trl", "transformers", "accelerate")
FUNCTIONS = [each for functions in SHARES.values() for each in functions]


@pytest.mark.parametrize(("file", "function"), FUNCTIONS)
def test_every_part_of_the_profile_is_a_function_of_its_file(file, function):
    roots = [Path(importlib.util.find_spec(name).origin).parent for name in PACKAGES]
    found = [root.parent / name / file for root in roots for name in ("", root.name)]
    sources = [path.read_text(encoding="utf-8") for path in found if path.is_file()]
    assert any(f"def {function}(" in source for source in sources)
