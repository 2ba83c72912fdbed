"""`dpo-ray report NAME`: one page about a sweep; of two or more, one that compares them."""

import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from dpo_ray.cluster.lock import is_locked
from dpo_ray.commands.finding import complete, sweep_folder
from dpo_ray.commands.trend import write_trend
from dpo_ray.errors import ConfigError
from dpo_ray.exits import errors_on_screen
from dpo_ray.output import AsJson, give_json, messages, results
from dpo_ray.sweep import Store
from dpo_ray.tracking.earlier import JOURNAL, REPORT
from dpo_ray.tracking.journal import read_journal

if TYPE_CHECKING:
    from dpo_ray.report.page.material import Material

HELP = """Write one page about a sweep, or one that compares sweeps.

A sweep writes its page at its end; this writes it again, also while the sweep runs, from its
journal alone. The page is one HTML file that needs no network. Of two names or more the first is
what the others are compared with: settings that differ, whether their numbers compare, and who did
better. Of a schedule it shows champion, best configuration and cost by night.

\b
Examples:
  dpo-ray report beta-cfe3ecb5
  dpo-ray report beta-cfe3ecb5 --open
  dpo-ray report beta-cfe3ecb5 --out ~/report.html
  dpo-ray report monday tuesday                         # two nights beside each other
  dpo-ray report beta-cfe3ecb5 --pictures docs/pictures # PNG files for a document
  dpo-ray report --nights nightly                       # all nights of a schedule, as a trend

\b
The page's path goes to stdout, the verdict to stderr; of several sweeps their table goes to
stdout, too.

\b
Exit codes: 0 written; 2 no such sweep, a damaged journal, or a place that cannot be written.
"""


def report(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME...]",
            help="Sweeps of the store, or their folders.",
            autocompletion=complete,
        ),
    ] = None,
    nights: Annotated[
        str | None,
        typer.Option(metavar="SCHEDULE", help="Instead of sweeps: all nights of a schedule."),
    ] = None,
    store: Store = Path("store"),
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where the page goes.", dir_okay=False)
    ] = None,
    pictures: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write the sweep's pictures there as PNG files, too."),
    ] = None,
    show: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the page in a browser.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run the command; the text of --help stands in HELP."""
    with errors_on_screen():
        _refuse_mixtures(names or [], nights, pictures)
        if nights is not None:
            path = write_trend(nights, store, out, as_json)
        else:
            path = _of_sweeps(names or [], store, out, pictures, as_json)
        if show:
            webbrowser.open(path.absolute().as_uri())


def _refuse_mixtures(names: list[str], nights: str | None, pictures: Path | None) -> None:
    if nights is None and not names:
        raise ConfigError(
            "NAME: is needed: one sweep or more, or --nights SCHEDULE; dpo-ray ui shows all"
        )
    if nights is not None and names:
        raise ConfigError(f"--nights {nights}: stands alone, got also {', '.join(names)}")
    if nights is not None and pictures is not None:
        raise ConfigError("--pictures: draws one sweep, got --nights")


def _of_sweeps(
    names: list[str], store: Path, out: Path | None, pictures: Path | None, as_json: bool
) -> Path:
    found = _gathered(names, store, pictures)
    path = out or _place(found, store)
    try:
        facts = _one(found[0], path, pictures) if len(found) == 1 else _several(found, path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror or error}") from None
    if as_json:
        give_json(facts)
    elif len(found) == 1:
        _say(facts)
    else:
        _say_compared(found, facts)
    return path


def _gathered(names: list[str], store: Path, pictures: Path | None) -> list["Material"]:
    if pictures is not None and len(names) > 1:
        raise ConfigError(f"--pictures: draws one sweep, got {len(names)} names")
    folders = [sweep_folder(store, name) for name in names]
    if len({*folders}) < len(folders):
        raise ConfigError(f"NAME: must name different sweeps, got {', '.join(names)}")
    from dpo_ray.report.page.material import gather, told_apart

    return told_apart(
        [gather(read_journal(each / JOURNAL), each, is_locked(each)) for each in folders]
    )


def _place(found: list["Material"], store: Path) -> Path:
    """A sweep's page lies in its folder; one about several belongs to none of them."""
    if len(found) == 1:
        return found[0].folder / REPORT
    names = "-and-".join(each.name.strip("/").replace("/", "-") for each in found)
    return store.absolute() / "reports" / f"{names[:150]}.html"


def _one(material: "Material", path: Path, pictures: Path | None) -> dict[str, Any]:
    from dpo_ray.report.figures import sweep_pictures
    from dpo_ray.report.page.beware import beware
    from dpo_ray.report.page.comparing import result
    from dpo_ray.report.page.opening import headline, standing
    from dpo_ray.report.page.writing import render, sweep_page, write_html

    write_html(render(sweep_page(material)), path)
    drawn = sweep_pictures(material.state, pictures) if pictures is not None else []
    it, ended = result(material), material.state.ended
    return {
        "sweep": material.name,
        "report": path.absolute(),
        "pictures": [each.path.absolute() for each in drawn],
        "standing": standing(material),
        "exit_code": ended.exit_code if ended else None,
        "verdict": headline(material),
        "recommended": None if it is None else vars(it),
        "warnings": list(beware(material).words),
    }


def _several(found: list["Material"], path: Path) -> dict[str, Any]:
    from dpo_ray.report.page.comparing import result
    from dpo_ray.report.page.comparison_page import comparison_page, sentences
    from dpo_ray.report.page.differing import differences, unlike
    from dpo_ray.report.page.writing import render, write_html

    write_html(render(comparison_page(found)), path)
    states = [each.state for each in found]
    recommended = {each.name: result(each) for each in found}
    return {
        "sweeps": [each.name for each in found],
        "report": path.absolute(),
        "comparable": not unlike(states),
        "verdict": sentences(found),
        "differences": {each.key: each.values for each in differences(states)},
        "recommended": {name: it and vars(it) for name, it in recommended.items()},
    }


def _say(facts: dict[str, Any]) -> None:
    screen = messages()
    _print(screen, f"{facts['standing']}.")
    for text in (facts["verdict"], *facts["warnings"]):
        _print(screen, text)
    for path in (*facts["pictures"], facts["report"]):
        _print(results(), str(path))


def _say_compared(found: list["Material"], facts: dict[str, Any]) -> None:
    from dpo_ray.report.compared import comparison_tables

    console = results()
    for table in comparison_tables(found):
        console.print(table)
        console.print()
    for text in facts["verdict"]:
        _print(console, text)
    _print(console, str(facts["report"]))


def _print(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
