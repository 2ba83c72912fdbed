"""Who cannot tell red from green reads the charts: safe colours, and shapes that differ as well."""

import re

import pytest

from dpo_ray.report.figures import confirmation, drawing, frontier, overview
from dpo_ray.report.page.charts import LEGEND, SYMBOLS, marker
from dpo_ray.report.page.comparison_page import comparison_page
from dpo_ray.report.page.material import gather
from dpo_ray.report.page.overlaid import COLOURS, MARKERS
from dpo_ray.report.page.writing import render
from tests.report.made import made
from tests.report.reading import Read
from tests.report.test_page import HERE, KINDS, kind_of_page

OKABE_ITO = {
    "#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7", "#000000"
}  # fmt: skip
"""Okabe and Ito 2008, https://jfly.uni-koeln.de/color/."""


def inks(value) -> set[str]:
    """All colours that a chart names, as #rrggbb, without greys and colour scales."""
    if isinstance(value, dict):
        value = [each for key, each in value.items() if key != "colorscale"]
    if isinstance(value, list):
        return {ink for each in value for ink in inks(each)}
    found = re.findall(r"^#[0-9a-f]{6}$", str(value).lower())
    for parts in re.findall(r"^rgba\((\d+), ?(\d+), ?(\d+), ?[\d.]+\)$", str(value)):
        found.append("#" + "".join(f"{int(part):02x}" for part in parts))
    return {each for each in found if len({each[1:3], each[3:5], each[5:]}) > 1}


@pytest.mark.parametrize("kind", KINDS)
def test_every_colour_of_a_page_is_one_of_okabe_and_itos_or_grey(kind):
    for name, figure in kind_of_page(kind).figures.items():
        assert inks(figure) <= OKABE_ITO, name


def test_a_searched_number_is_on_a_scale_that_is_read_without_hues():
    chart = kind_of_page("usual").figures["frontier-all"]
    scales = [trace["marker"].get("colorscale") for trace in chart["data"] if "marker" in trace]
    named = [scale for scale in scales if scale]
    # plotly writes Viridis out: its two ends, dark violet and yellow.
    assert [(scale[0][1], scale[-1][1]) for scale in named] == [("#440154", "#fde725")]
    assert frontier.COLOURS == "viridis"


def test_kinds_of_points_differ_by_their_shapes_alone():
    shapes = [marker(look)["symbol"] for look in LEGEND.values()]
    assert len(set(shapes)) == len(shapes)


def test_kinds_of_points_have_different_colours_of_the_safe_ones():
    for module in (drawing, overview, confirmation):
        looks = [each for each in vars(module).values() if isinstance(each, drawing.Look)]
        for look in looks:
            assert not look.colour.startswith("#") or look.colour.lower() in OKABE_ITO, look.label
    drawn = [look.colour for look in overview.LOOKS]
    assert len(set(drawn)) == len(drawn)


def test_up_to_six_sweeps_on_one_another_are_told_apart_by_safe_colours():
    assert {colour.lower() for colour in COLOURS} < OKABE_ITO
    assert len(set(COLOURS)) == 6
    assert set(MARKERS) < set(SYMBOLS)
    six = [gather(made(name=name, seed=seed), HERE) for seed, name in enumerate("abcdef")]
    page = Read(render(comparison_page(six)))
    for figure in page.figures.values():
        assert inks(figure) <= OKABE_ITO
    words = re.findall(r"[a-f]: ([a-z-]+ [a-z]+)", page.said.split("On one another", 2)[2])
    assert len(set(words)) == 6
