"""`search.try_first`: configurations a person wants tried before anything is drawn."""

from collections.abc import Iterator, Mapping, Sequence

from dpo_ray.config.branches import active, branches, complete, roots, ties
from dpo_ray.config.document import Document
from dpo_ray.config.findings import together
from dpo_ray.config.parameters import FloatParameter, Value, contains, describe
from dpo_ray.config.parsing import KeyPath
from dpo_ray.config.space import SearchSpace
from dpo_ray.config.wording import did_you_mean, problem, show

Params = dict[str, Value]
Given = Mapping[str, Value]
Finding = tuple[KeyPath, str]


def resolve_try_first(
    space: SearchSpace, control: Given, asked: Sequence[Given], sweep_file: Document
) -> list[Params]:
    """Return whole configurations: what a map leaves out is as in the control trial.

    Raises:
        ConfigError: a map names what is not drawn, lies outside the space, lacks what the
            control trial has no fitting value of, or repeats another.
    """
    first: list[Params] = [dict(control)]
    problems: list[str] = []
    for index, given in enumerate(asked):
        path: KeyPath = ("search", "try_first", index)
        found = [*(_unknown(space, given, path) or _misplaced(space, control, given, path))]
        params = {} if found else _filled(space, control, given)
        if params in first:
            number = first.index(params)
            earlier = f"search.try_first[{number - 1}]" if number else "the control trial"
            found = [(path, f"is the same configuration as {earlier}")]
        first.append(params)
        problems += [problem(sweep_file, where, rule) for where, rule in found]
    if problems:
        raise together(problems)
    return first[1:]


def _unknown(space: SearchSpace, given: Given, path: KeyPath) -> list[Finding]:
    """Return names that nothing is drawn for, and choices of roots that there are not."""
    drawn, found = [name for name in space.parameters if name not in ties(space)], []
    for name, value in given.items():
        if name in ties(space):
            found.append(((*path, name), f"follows {ties(space)[name].to}; leave it out"))
        elif name not in drawn:
            found.append(((*path, name), f"is not searched{did_you_mean(name, drawn)}"))
        elif name in roots(space):
            (parameter,) = branches(space, name)
            if not contains(parameter, value):
                rule = f"is no choice, got {show(value)}; allowed: {describe(parameter)}"
                found.append(((*path, name), rule))
    return found


def _misplaced(
    space: SearchSpace, control: Given, given: Given, path: KeyPath
) -> Iterator[Finding]:
    """Yield values that lie outside, that the configuration has no use for, or that it lacks."""
    chosen = {root: given.get(root, control[root]) for root in roots(space)}
    ranges = active(space, chosen)
    where = ", ".join(f"{root} is {show(value)}" for root, value in chosen.items())
    for name in given:
        if name not in ranges:
            yield (*path, name), f"is not searched where {where}; leave it out"
    for name, parameter in ranges.items():
        value = given.get(name, control.get(name))
        if value is not None and contains(parameter, value):
            continue
        allowed = f"allowed: {describe(parameter)}{f' where {where}' if where else ''}"
        if name in given:
            yield (*path, name), f"lies outside its range, got {show(value)}; {allowed}"
        else:
            got = f"has {show(value)}" if value is not None else "has none"
            yield path, f"{name} must be given, for the control trial {got}; {allowed}"


def _filled(space: SearchSpace, control: Given, given: Given) -> Params:
    ranges = active(space, {root: given.get(root, control[root]) for root in roots(space)})
    values = {name: given.get(name, control.get(name)) for name in ranges}
    floats = {name for name, each in ranges.items() if isinstance(each, FloatParameter)}
    return complete(
        space,
        {
            name: float(value) if name in floats else value
            for name, value in values.items()
            if value is not None
        },
    )
