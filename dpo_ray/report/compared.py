"""Sweeps beside each other on a terminal: a column for each."""

from collections.abc import Sequence

from rich import box
from rich.table import Table

from dpo_ray.report.page.comparison_page import results_table
from dpo_ray.report.page.differing import differences
from dpo_ray.report.page.material import Material


def comparison_tables(found: Sequence[Material]) -> list[Table]:
    """Return what each sweep found, and the settings that differ, if any do."""
    whole = results_table(found)
    facts = [
        (head, [row.cells[index].text for row in whole.rows])
        for index, head in enumerate(whole.heads)
        if index > 0
    ]
    tables = [_table("", found, facts)]
    differ = differences([each.state for each in found])
    if differ:
        settings = [(each.key, list(each.values)) for each in differ]
        tables.append(_table("setting", found, settings))
    return tables


def _table(first: str, found: Sequence[Material], rows: Sequence[tuple[str, list[str]]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column(first, overflow="fold")
    for each in found:
        table.add_column(each.name, overflow="fold")
    for head, values in rows:
        table.add_row(head, *values)
    return table
