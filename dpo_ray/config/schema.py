"""JSON Schemas of both file kinds, so that editors complete and check them.

`python -m dpo_ray.config.schema` writes them to docs/schema.
"""

import json
import sys
from pathlib import Path
from typing import Any

from dpo_ray.config.searchable import SEARCHABLE
from dpo_ray.config.space import SearchSpace
from dpo_ray.config.sweep import SweepConfig

DIALECT = "https://json-schema.org/draft/2020-12/schema"
EXTENDS = {
    "type": "string",
    "minLength": 1,
    "description": "Another sweep file, relative to this one, that this one is laid over.",
}


def schemas() -> dict[str, dict[str, Any]]:
    """Return the schema of each file kind under its file name."""
    sweep = SweepConfig.model_json_schema()
    sweep["properties"] = {"extends": EXTENDS, **sweep["properties"]}
    space = SearchSpace.model_json_schema()
    space["properties"]["parameters"]["propertyNames"] = {"enum": list(SEARCHABLE)}
    return {
        "space.schema.json": {"$schema": DIALECT, **space},
        "sweep.schema.json": {"$schema": DIALECT, **sweep},
    }


def text(schema: dict[str, Any]) -> str:
    """Return the schema as it stands in its file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def write(folder: Path) -> None:
    """Write both files into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, schema in schemas().items():
        (folder / name).write_text(text(schema), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("docs/schema"))
