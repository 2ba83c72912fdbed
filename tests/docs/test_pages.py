"""What the pages point at is there, and what they quote is said."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\]\(([^)\s]+)\)")
SOURCE = "\n".join(
    path.read_text(encoding="utf-8") for path in sorted((ROOT / "dpo_ray").rglob("*.py"))
)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each).strip().lower().replace(" ", "-") for each in headings}


def links():
    for page in PAGES:
        for target in LINK.findall(page.read_text(encoding="utf-8")):
            if "://" not in target:
                yield pytest.param(page, target, id=f"{page.name}-{target}")


@pytest.mark.parametrize(("page", "target"), list(links()))
def test_every_link_leads_somewhere(page, target):
    name, _, anchor = target.partition("#")
    there = page.parent / name if name else page
    assert there.exists()
    assert not anchor or anchor in anchors(there)


def test_every_page_of_docs_is_reached_from_the_readme():
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        reached.add(page)
        for target in LINK.findall(page.read_text(encoding="utf-8")):
            there = (page.parent / target.partition("#")[0]).resolve()
            if there.suffix == ".md" and there.exists() and there not in reached:
                waiting.append(there)
    assert set(PAGES) <= reached


def quoted():
    """Return the parts of each message in docs/troubleshooting.md between its gaps."""
    text = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    messages = re.findall(r"\*\*`([^`]+)`\*\*", text) + re.findall(r"^- `([^`]+)`[:,]", text, re.M)
    return [(message, [part.strip(" :") for part in message.split("...")]) for message in messages]


@pytest.mark.parametrize(("message", "parts"), quoted())
def test_every_message_that_is_explained_is_said(message, parts):
    said = re.sub(r'"\s*\n\s*f?"', "", SOURCE)
    assert all(part in said for part in parts if part)
