"""The searched parameter against what it does: win rate, KL, gold reward."""

from dpo_ray.report.figures import scales
from dpo_ray.report.figures.overview import LOOKS, Panel, look_of, overview, panels
from dpo_ray.report.page import axes, charts, units
from dpo_ray.report.page.charts import Mark
from dpo_ray.report.page.material import Material
from dpo_ray.report.page.pictures import picture
from dpo_ray.report.page.rooms import Chart, Room
from dpo_ray.report.ranking import RankedRow

SHOWN = ("win_rate", "kl", "gold_reward")
TITLES = {"kl": "KL from the reference", "gold_reward": "Gold reward"}
"""Of charts, where the panel's own names a unit as well."""


def curve(material: Material) -> Room | None:
    """Return a chart for each metric; None before a trial was evaluated."""
    state = material.state
    rows = [row for row in material.rows if row.place is not None]
    if not rows:
        return None
    name, space = scales.across(state)
    found = [each for each in _panels(material, rows) if _is_known(rows, each.metric)]
    return Room(
        id="curve",
        title=f"What {axes.words_of(name)} does",
        words=[
            "Each trial stands at its best checkpoint, with 95 % intervals. The dashed line is the "
            "reference model, the grey band a second sample of it judged against the first. Other "
            "settings differ between the points, too."
        ],
        charts=[_chart(rows, each, name, space) for each in found],
        legend=[look.label for look in LOOKS if any(look_of(row) == look for row in rows)],
        picture=picture(lambda: overview(state)),
    )


def _panels(material: Material, rows: list[RankedRow]) -> list[Panel]:
    """The objective has its own chart where it is none of the three."""
    found = list(panels(material.state.reference, rows))
    metric, reference = material.state.objective[0], material.state.reference
    if metric not in [each.metric for each in found]:
        title = axes.capital(axes.words_of(metric))
        found.append(Panel(metric, title, reference.get(f"eval/{metric}")))
    return found


def _is_known(rows: list[RankedRow], metric: str) -> bool:
    return any(f"eval/{metric}" in row.metrics for row in rows)


def _chart(rows: list[RankedRow], panel: Panel, name: str, space: dict[str, object]) -> Chart:
    found = [_mark(row, panel.metric, name, space) for row in rows]
    shapes = [] if panel.reference is None else [charts.baseline(panel.reference, "reference")]
    shapes += [] if panel.band is None else [charts.band(*panel.band)]
    heading = TITLES.get(panel.metric, panel.title)
    return Chart(
        id=f"curve-{panel.metric.replace('/', '-')}",
        title=heading,
        figure=charts.figure(
            charts.marks(found, LOOKS), axes.across(name, space),
            axes.axis(units.titled(panel.metric)), shapes=shapes,
        ),
        words=f"{heading} of {len(found)} trials against {axes.words_of(name)}",
    )  # fmt: skip


def _mark(row: RankedRow, metric: str, name: str, space: dict[str, object]) -> Mark:
    assert row.trial is not None  # what is ranked was trained
    key = f"eval/{metric}"
    return Mark(
        x=scales.place(row.trial.params, name, space),
        y=row.metrics.get(key, float("nan")),
        look=look_of(row),
        words=charts.hover(row.trial, row.step, row.metrics, SHOWN),
        low=row.metrics.get(f"{key}_low"),
        high=row.metrics.get(f"{key}_high"),
    )
