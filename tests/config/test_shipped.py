"""What ships: every YAML by its folder's model and schema, and the schemas by the models."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from dpo_ray.config.loading import load_space, load_sweep
from dpo_ray.config.schema import schemas, text

ROOT = Path(__file__).parents[2]
SPACES = sorted((ROOT / "search_spaces").glob("*.yaml"))
SWEEPS = sorted((ROOT / "sweeps").glob("*.yaml"))
SCHEMA_OF = {"search_spaces": "space.schema.json", "sweeps": "sweep.schema.json"}
HEAVY = ("torch", "ray", "mlflow", "transformers", "datasets", "optuna", "numpy")
LIGHT = (
    "dpo_ray.config.loading",
    "dpo_ray.config.schema",
    "dpo_ray.plan",
    "dpo_ray.cost",
    "dpo_ray.cluster.resources",
    "dpo_ray.report.plan_table",
)


def name(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def test_there_is_something_to_check():
    assert "search_spaces/beta.yaml" in map(name, SPACES)
    assert "sweeps/local.yaml" in map(name, SWEEPS)


@pytest.mark.parametrize("path", SPACES, ids=name)
def test_every_shipped_space_loads(path):
    load_space(path)


@pytest.mark.parametrize("path", SWEEPS, ids=name)
def test_every_shipped_sweep_loads(path):
    load_sweep(path)


@pytest.mark.parametrize("path", [*SPACES, *SWEEPS], ids=name)
def test_every_shipped_file_names_its_schema_and_fits_it(path):
    schema = SCHEMA_OF[path.parent.name]
    first = path.read_text().splitlines()[0]
    assert first == f"# yaml-language-server: $schema=../docs/schema/{schema}"
    values = YAML(typ="safe", pure=True).load(path)
    Draft202012Validator(json.loads((ROOT / "docs/schema" / schema).read_text())).validate(values)


@pytest.mark.parametrize("file", schemas())
def test_the_schemas_say_what_the_models_say(file):
    """Run `python -m dpo_ray.config.schema` where this fails."""
    assert (ROOT / "docs/schema" / file).read_text() == text(schemas()[file])


@pytest.mark.parametrize("file", schemas())
def test_the_schemas_are_schemas(file):
    Draft202012Validator.check_schema(schemas()[file])


@pytest.mark.parametrize(
    "space",
    [
        {"parameters": {"beta": {"low": 0.1, "high": 0.5}}},
        {"parameters": {"max_length": {"type": "int", "low": 1, "high": 5}}},
        {"parameters": {"beta": {"type": "float", "low": 0.1, "high": 0.5, "hihg": 1}}},
        {"parameters": {"lora_rank": {"type": "categorical", "choices": []}}},
    ],
)
def test_an_editor_marks_what_the_loader_would_refuse(space):
    assert not Draft202012Validator(schemas()["space.schema.json"]).is_valid(space)


def test_every_key_is_explained_in_its_schema():
    for schema in schemas().values():
        for model in [schema, *schema["$defs"].values()]:
            for key, field in model["properties"].items():
                assert field.get("description") or "$ref" in field, f"{model['title']}.{key}"


@pytest.mark.parametrize("module", LIGHT)
def test_a_plan_waits_for_nothing_heavy(module):
    code = f"import sys, {module}; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "[]", done.stderr


def test_the_schemas_are_written_by_one_command(tmp_path):
    command = [sys.executable, "-m", "dpo_ray.config.schema", str(tmp_path)]
    subprocess.run(command, check=True, cwd=ROOT)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        file: text(schema) for file, schema in schemas().items()
    }
