"""A page as a strict reader sees it: its elements, its links, its words."""

import json
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

VOID = {"meta", "img", "br", "path", "circle"}


@dataclass
class Read(HTMLParser):
    """What stands in a page; a wrongly nested element is a ValueError."""

    text: str
    tags: list[str] = field(default_factory=list)
    attributes: list[tuple[str, str, str]] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    scripts: dict[str, str] = field(default_factory=dict)
    _open: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.text)
        self.close()
        if self._open:
            raise ValueError(f"never closed: {self._open}")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self._open.append((tag, dict(attrs).get("id") or ""))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        opened, _ = self._open.pop()
        if opened != tag:
            raise ValueError(f"{opened} closed as {tag} at {self.getpos()}")

    def handle_data(self, data: str) -> None:
        inside, name = self._open[-1] if self._open else ("", "")
        if inside == "script":
            self.scripts[name] = self.scripts.get(name, "") + data
        elif inside != "style":
            self.words.append(data)

    @property
    def said(self) -> str:
        """All that people read, with single spaces."""
        return " ".join(" ".join(self.words).split())

    @property
    def figures(self) -> dict[str, Any]:
        """The charts as plotly gets them."""
        return dict(json.loads(self.scripts["data-of-charts"]))


def strings(value: Any) -> list[str]:
    """Return every text inside JSON values."""
    if isinstance(value, str):
        return [value]
    inner = list(value.values()) if isinstance(value, dict) else value
    return [text for each in inner for text in strings(each)] if isinstance(inner, list) else []
