"""A worker's traceback as the few lines that a person needs of it."""

import re
from dataclasses import dataclass

HEAD = "Traceback (most recent call last):"
TEXT_LINES = 6
"""So many lines of an exception's own text are shown."""
_FRAME = re.compile(r'  File "(?P<path>.+)", line (?P<line>\d+), in (?P<name>.+)')
_LIBRARY = re.compile(r".*/(?:site|dist)-packages/(?P<rest>(?P<package>[^/]+).*)")
_STANDARD = re.compile(r".*/lib/python3[^/]*/(?P<rest>(?P<package>[^/]+).*)")
OWN = "/dpo_ray/"


@dataclass(frozen=True)
class Frame:
    """One call: where, in which function, and the line of code if the file was there.

    `package` is a library's name, None for code of dpo-ray or of the person's own.
    """

    place: str
    name: str
    code: str
    package: str | None


def essence(text: str) -> list[str]:
    """Return the frames of dpo-ray and of the person's own code, the last one wherever it is, and
    the exception's text; of a chain of exceptions those of the first, which is the cause.

    Empty where the text holds no traceback.
    """
    lines = _first_block(text)
    return [*_shown(_frames(lines)), *_message(lines)] if lines else []


def alike(text: str) -> str:
    """Return what two tracebacks of one cause have in common: the calls and the kind of error.

    Their texts may differ: a missing key is another one for each trial.
    """
    block = _first_block(text)
    kind = next(iter(_message(block)), "").partition(":")[0]
    return "\n".join([*_shown(_frames(block)), kind])


def _first_block(text: str) -> list[str]:
    """The lines of the first traceback of a chain, without its heading; empty without one."""
    _, _, first = text.partition(HEAD)
    block = re.split(r"\n\n(?:The above exception|During handling)", first)[0]
    return block.strip("\n").splitlines()


def _frames(lines: list[str]) -> list[Frame]:
    found = []
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        if (match := _FRAME.fullmatch(line)) is not None:
            code = "" if _FRAME.fullmatch(below) or not below.startswith("    ") else below.strip()
            found.append(_frame(match["path"], match["line"], match["name"], code))
    return found


def _frame(path: str, line: str, name: str, code: str) -> Frame:
    if OWN in path:
        return Frame(f"dpo_ray/{path.rpartition(OWN)[2]}:{line}", name, code, None)
    inside = _LIBRARY.fullmatch(path) or _STANDARD.fullmatch(path)
    if inside is None:
        return Frame(f"{path}:{line}", name, code, None)
    return Frame(f"{inside['rest']}:{line}", name, code, inside["package"].removesuffix(".py"))


def _shown(frames: list[Frame]) -> list[str]:
    """Write the frames that matter, and count what lies between them."""
    lines: list[str] = []
    between: list[str] = []
    for number, frame in enumerate(frames, start=1):
        if frame.package is not None and number < len(frames):
            between.append(frame.package)
            continue
        if between:
            named = ", ".join(dict.fromkeys(between))
            lines.append(f"... {len(between)} call{'s' * (len(between) > 1)} in {named}")
            between = []
        code = f": {frame.code}" if frame.code else ""
        lines.append(f"{frame.place}, {frame.name}{code}")
    return lines


def _message(lines: list[str]) -> list[str]:
    """The exception's own text: what stands left of the frames, below the last of them."""
    start = max((n for n, line in enumerate(lines) if line.startswith("  File ")), default=-1) + 1
    while start < len(lines) and lines[start].startswith(" "):
        start += 1
    text = [line for line in lines[start:] if line.strip()]
    more = [f"... {len(text) - TEXT_LINES} lines more"] * (len(text) > TEXT_LINES)
    return text[:TEXT_LINES] + more
