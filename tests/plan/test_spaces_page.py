"""docs/spaces.md shows files that work, and says of samplers what holds."""

import re
from pathlib import Path

import pytest

from dpo_ray.config.samplers import GpConfig, GridConfig, NsgaiiConfig, RandomConfig, TpeConfig
from dpo_ray.config.searchable import SEARCHABLE
from dpo_ray.errors import ConfigError
from dpo_ray.plan import make_plan

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/spaces.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
SPACES = [block for block in BLOCKS if block.startswith("parameters:")]
SEARCHES = [block for block in BLOCKS if block.startswith("search:")]
SAMPLERS = {
    config.model_fields["type"].default: config
    for config in (TpeConfig, GpConfig, RandomConfig, NsgaiiConfig, GridConfig)
}


def rows() -> list[list[str]]:
    lines = [line for line in PAGE.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.parametrize("block", SPACES)
def test_every_space_on_the_page_has_a_plan(make, block):
    assert make(block).control


def test_the_search_on_the_page_works_with_a_space_on_the_page(make):
    (search,) = SEARCHES
    plan = make(SPACES[0], search)
    assert len(plan.first) == 3


def test_every_searchable_field_is_on_the_page():
    named = {name for row in rows() for name in re.findall(r"`(\w+)`", row[0])}
    assert set(SEARCHABLE) <= named


@pytest.mark.parametrize("kind", SAMPLERS)
def test_every_sampler_is_on_the_page_with_its_options_and_what_it_is_refused_for(kind):
    row = next(row for row in rows() if row[0] == f"`{kind}`")
    options = {name for name in SAMPLERS[kind].model_fields if name != "type"}
    assert set(re.findall(r"`(\w+)`", row[1])) == options
    space, sweep = ROOT / "search_spaces/loss_type.yaml", ROOT / "sweeps/local.yaml"
    overrides = [f"search.sampler={kind}"]
    if row[3] == "refused":
        with pytest.raises(ConfigError, match="cannot search a space with conditions"):
            make_plan(space, sweep, overrides)
    else:
        assert make_plan(space, sweep, overrides).sweep.search.sampler.type == kind
