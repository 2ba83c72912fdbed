"""The saved comparison of a sweep's trials: one link, three charts.

The form is that of MLflow 3.17's own shared views, an experiment tag which its documentation does
not describe; a test opens it in a browser.
"""

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from dpo_ray.tracking.mlflow_links import trials_of
from dpo_ray.tracking.mlflow_texts import axis_name
from dpo_ray.tracking.results import RESULT, compared_key, score_key

TAG = "mlflow.sharedViewState."
KL = f"{RESULT}kl"
WIDE, PAIR = "wide", "pair"
"""Sections: one chart over the whole width, whose axes need it, and two side by side."""
_NAME_LENGTH = 200


def view_key(sweep: str, journal: str) -> str:
    """Return the view's name in links: the same for a sweep however often it is mirrored."""
    return f"{sweep[:_NAME_LENGTH]}-{journal}"


def view_tag(
    parameters: Mapping[str, Mapping[str, Any]],
    objectives: Sequence[Mapping[str, Any]],
    parent: str,
    name: str,
    time: float,
) -> str:
    """Return the tag's value; `time` (Unix seconds) is when the sweep was planned.

    Nothing in it changes from one mirror of a journal to the next but the parent's id.
    """
    shown = _view(parameters, objectives, parent)
    packed = base64.b64encode(zlib.compress(json.dumps(shown).encode())).decode()
    stamp = round(time * 1000)
    facts = {"name": name, "createdAt": stamp, "updatedAt": stamp, "state": f"deflate;{packed}"}
    return json.dumps(facts)


def read_view(tag: str) -> dict[str, Any]:
    """Return what a tag's value shows."""
    packed = json.loads(tag)["state"].removeprefix("deflate;")
    return dict(json.loads(zlib.decompress(base64.b64decode(packed))))


def _view(
    parameters: Mapping[str, Mapping[str, Any]],
    objectives: Sequence[Mapping[str, Any]],
    parent: str,
) -> dict[str, Any]:
    quality, score = compared_key(objectives), score_key(objectives)
    metrics = list(dict.fromkeys([score, quality, KL]))
    return {
        "searchFilter": trials_of(parent),
        "orderByKey": f"metrics.`{score}`",
        "orderByAsc": objectives[0].get("direction") == "minimize" if objectives else False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "modelVersionFilter": "All Runs",
        "datasetsFilter": [],
        "selectedColumns": [
            *(f"metrics.`{key}`" for key in metrics),
            *(f"params.`{name}`" for name in parameters),
            "tags.`trial.state`",
        ],
        "runsHiddenMode": "SHOW_ALL",
        "compareRunCharts": _charts(parameters, quality, score),
        "compareRunSections": [
            _section(WIDE, "Every trial", columns=1),
            _section(PAIR, "Frontier and contour", columns=2),
        ],
        "isAccordionReordered": True,
        "hideEmptyCharts": True,
    }


def _charts(
    parameters: Mapping[str, Mapping[str, Any]], quality: str, score: str
) -> list[dict[str, Any]]:
    axes = [axis_name(name, each) for name, each in parameters.items()]
    charts = [
        _chart(
            "parallel",
            "PARALLEL",
            WIDE,
            selectedParams=axes,
            selectedMetrics=list(dict.fromkeys([KL, quality, score])),
            showAllRuns=True,
        ),
        _chart("frontier", "SCATTER", PAIR, xaxis=_metric(KL), yaxis=_metric(quality)),
    ]
    pair = plane(parameters)
    if pair is not None:
        x, y = (_parameter(axis_name(name, parameters[name])) for name in pair)
        charts.append(_chart("contour", "CONTOUR", PAIR, xaxis=x, yaxis=y, zaxis=_metric(score)))
    return charts


def plane(parameters: Mapping[str, Mapping[str, Any]]) -> tuple[str, str] | None:
    """Return two parameters to draw a contour over: ranges first, then lists of numbers."""
    ranges = [name for name, each in parameters.items() if each.get("type") in ("float", "int")]
    lists = [name for name, each in parameters.items() if _is_list_of_numbers(each)]
    found = [*ranges, *lists]
    return (found[0], found[1]) if len(found) > 1 else None


def _is_list_of_numbers(spec: Mapping[str, Any]) -> bool:
    choices = spec.get("choices") or ()
    numbers = [isinstance(each, int | float) and not isinstance(each, bool) for each in choices]
    return len(numbers) > 1 and all(numbers)


def _metric(key: str) -> dict[str, str]:
    return {"key": key, "type": "METRIC"}


def _parameter(key: str) -> dict[str, str]:
    return {"key": key, "type": "PARAM"}


def _section(name: str, title: str, columns: int) -> dict[str, Any]:
    return {
        "uuid": name,
        "name": title,
        "display": True,
        "isReordered": True,
        "deleted": False,
        "isGenerated": False,
        "columns": columns,
        "cardHeight": 380,
    }


def _chart(name: str, kind: str, section: str, **facts: Any) -> dict[str, Any]:
    return {
        "uuid": name,
        "type": kind,
        "runsCountToCompare": 100,
        "metricSectionId": section,
        "deleted": False,
        "isGenerated": False,
        "displayName": None,
        **facts,
    }
