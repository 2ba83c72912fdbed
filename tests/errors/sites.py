"""Every place in the source that words an error for a person, found by reading the source."""

import ast
import inspect
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from dpo_ray import errors
from tests.sweeping import ROOT

TREE = {
    name
    for name, found in inspect.getmembers(errors, inspect.isclass)
    if issubclass(found, errors.DpoRayError)
}
BELOW = {"JobLost"}
"""Errors of the tree that are drawn elsewhere: their neighbours alone tell them apart."""
MAKERS = {*TREE, *BELOW, "broken_rule"}
BY_KIND = "ERROR[kind]"
"""How dpo_ray/data/hub.py chooses between two of them."""


@dataclass(frozen=True)
class Site:
    """A call that makes an error, named by its function and its place among that one's."""

    file: str
    function: str
    number: int
    lines: range

    def __str__(self) -> str:
        return f"{self.file} {self.function} {self.number}"


def sites() -> list[Site]:
    found: list[Site] = []
    for path in sorted((ROOT / "dpo_ray").rglob("*.py")):
        file = str(path.relative_to(ROOT))
        numbers: Counter[str] = Counter()
        for function, node in _makers(ast.parse(path.read_text(encoding="utf-8")), "module"):
            numbers[function] += 1
            last = node.end_lineno or node.lineno
            found.append(Site(file, function, numbers[function], range(node.lineno, last + 1)))
    return found


def _makers(node: ast.AST, function: str) -> Iterator[tuple[str, ast.Call]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Call) and ast.unparse(child.func) in {*MAKERS, BY_KIND}:
            yield function, child
        inner = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
        yield from _makers(child, child.name if inner else function)
