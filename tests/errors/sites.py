"""Every place in the source that words an error for a person, found by reading the source."""

import ast
import inspect
import re
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
WORDED = {"ValueError": 0, "NonFinite": 0, "BeyondLimits": 0, "NotSaved": 0, "OutOfMemory": 0,
          "Overdue": 1, "Outcome": 1, "self.fail": 1}  # fmt: skip
"""Where the words are in what makes no error of the tree: a validator's plain one, which another
place passes on, and the reason of a trial or a job that has failed."""
TELLING = 12
"""So many letters in a row tell one text from another."""


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
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for function, node in _makers(tree, "module", {*MAKERS, BY_KIND}):
            numbers[function] += 1
            last = node.end_lineno or node.lineno
            found.append(Site(file, function, numbers[function], range(node.lineno, last + 1)))
    return found


@dataclass(frozen=True)
class Words:
    """A text for a person that no error of the tree is made with, and a pattern of what it says."""

    file: str
    function: str
    number: int
    pattern: str

    def __str__(self) -> str:
        return f"{self.file} {self.function} words {self.number}"

    @property
    def telling(self) -> bool:
        return any(len(part) >= TELLING for part in self.pattern.split(".+"))


def words() -> list[Words]:
    """Return all that are written out where they are used, or as a constant of that file."""
    found: list[Words] = []
    for path in sorted((ROOT / "dpo_ray").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        constants = {ast.unparse(each.targets[0]): each.value for each in tree.body
                     if isinstance(each, ast.Assign)}  # fmt: skip
        numbers: Counter[str] = Counter()
        for function, node in _makers(tree, "module", set(WORDED)):
            said = _said(node, constants)
            if said is not None:
                numbers[function] += 1
                file = str(path.relative_to(ROOT))
                found.append(Words(file, function, numbers[function], said))
    return found


def _said(node: ast.Call, constants: dict[str, ast.expr]) -> str | None:
    """Return a pattern of the text; None where it is made elsewhere, or tells of no failure."""
    called = ast.unparse(node.func)
    named = {each.arg: each.value for each in node.keywords}
    given = dict(enumerate(node.args))
    state = given.get(0, named.get("state"))
    words = given.get(WORDED[called], named.get("reason"))
    tells_of_failure = state is None or ast.unparse(state) == "'FAILED'"
    if words is None or (called == "Outcome" and not tells_of_failure):
        return None
    text = constants.get(ast.unparse(words), words)
    if not isinstance(text, ast.JoinedStr | ast.Constant):
        return None
    parts = text.values if isinstance(text, ast.JoinedStr) else [text]
    return "".join(
        re.escape(str(each.value)) if isinstance(each, ast.Constant) else ".+" for each in parts
    )


def _makers(node: ast.AST, function: str, names: set[str]) -> Iterator[tuple[str, ast.Call]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Call) and ast.unparse(child.func) in names:
            yield function, child
        inner = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
        yield from _makers(child, child.name if inner else function, names)
