"""The experiment that holds a sweep: the saved comparison, and the note that opens it."""

from dpo_ray.tracking.mlflow_links import view_page
from dpo_ray.tracking.mlflow_texts import journal_id
from dpo_ray.tracking.mlflow_view import TAG, view_key, view_tag
from dpo_ray.tracking.mlflow_writer import RunWriter
from dpo_ray.tracking.records import SweepPlanned
from dpo_ray.tracking.state import SweepState

NOTE = "mlflow.note.content"
_OPENS = "Compare the trials of "
_BETWEEN = " · "
SHOWN = 12
"""Sweeps that are linked; the newest come first."""


def share_view(writer: RunWriter, state: SweepState, record: SweepPlanned, parent: str) -> str:
    """Save the comparison of a sweep's trials, open it from the experiment's note, and return its
    page."""
    key = view_key(record.name, journal_id(record))
    shown = view_tag(state.parameters, state.objectives, parent, record.name, record.time)
    writer.tag_experiment(TAG + key, shown)
    page = view_page(writer.experiment, key)
    writer.tag_experiment(NOTE, with_link(writer.experiment_tag(NOTE), record.name, page))
    return page


def with_link(note: str, sweep: str, link: str) -> str:
    """Return the note with the sweep's link in its first line; what people wrote stays below.

    A link that is there already is replaced in its place, so that mirroring a sweep again changes
    nothing.
    """
    first, _, rest = note.partition("\n")
    ours = first.startswith(_OPENS)
    links = first.removeprefix(_OPENS).split(_BETWEEN) if ours else []
    mine, places = f"[{sweep}]({link})", [each.startswith(f"[{sweep}](") for each in links]
    if any(places):
        links = [mine if is_mine else each for each, is_mine in zip(links, places, strict=True)]
    else:
        links = [mine, *links][:SHOWN]
    below = (rest if ours else note).strip("\n")
    return _OPENS + _BETWEEN.join(links) + (f"\n\n{below}" if below else "")
