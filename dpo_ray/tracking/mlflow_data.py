"""The pairs as MLflow's dataset input: what a run was trained on, and how to tell it again."""

import json
from typing import Any

from dpo_ray.config.sources import hub_name
from dpo_ray.data.report import DataReport, RowReport

DIGEST_LENGTH = 16
"""MLflow shows the digest beside the name and allows 36 characters; the whole one is a tag."""
CONTEXT = "mlflow.data.context"


def dataset_input(report: DataReport) -> Any:
    """Return the `mlflow.entities.DatasetInput` of the pairs, with source and content hash."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    rows, tokens = report.rows, report.tokens
    source_type, source = _source(rows)
    profile: dict[str, float] = {
        "rows_read": rows.read,
        "rows_kept": report.kept,
        **{f"rows_{split}": count for split, count in tokens.rows.items()},
        **{found.reason: found.count for found in report.findings},
        "cut_share": tokens.cut_share,
        "chosen_longer_share": tokens.chosen_longer_share,
    }
    return DatasetInput(
        Dataset(
            name=rows.source[-250:],
            digest=rows.digest[:DIGEST_LENGTH],
            source_type=source_type,
            source=json.dumps(source),
            schema=json.dumps({"format": rows.format}),
            profile=json.dumps(profile),
        ),
        tags=[InputTag(CONTEXT, "training")],
    )


def _source(rows: RowReport) -> tuple[str, dict[str, Any]]:
    """Return the source as `mlflow.data.get_source` reads it back."""
    named = hub_name(rows.source)
    if rows.revision is not None and named is not None:
        return "hugging_face", {"path": named.repo, "revision": rows.revision}
    scheme, separator, _ = rows.source.partition("://")
    return (scheme if separator else "local"), {"uri": rows.source}
