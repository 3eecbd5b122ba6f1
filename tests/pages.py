"""A page of HTML as elements, for tests that ask what it shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path


@dataclass
class Element:
    """An element of a page: its name, its attributes, and the text in it."""

    tag: str
    attributes: dict[str, str]
    parts: list[str] = field(default_factory=list)
    inside: list[Element] = field(default_factory=list)

    def __getitem__(self, name: str) -> str:
        return self.attributes[name]

    @property
    def text(self) -> str:
        """Its text and that of all elements in it, white space as one space."""
        return " ".join("".join(self.parts).split())

    def all(self, tag: str, style: str = "") -> Iterator[Element]:
        """The elements of that name in it, those of a class alone where one is given."""
        for element in self.inside:
            if element.tag == tag and (not style or style in element.classes):
                yield element

    @property
    def classes(self) -> list[str]:
        """Its classes."""
        return self.attributes.get("class", "").split()


_EMPTY = {"meta", "img", "input", "br", "hr", "link", "rect", "path", "polyline"}


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.root = Element("", {})
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        for parent in self.open:
            parent.inside.append(element)
        if tag not in _EMPTY:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        for parent in self.open:
            parent.inside.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().tag == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        for element in self.open:
            element.parts.append(data)


def read_html(path: Path) -> Element:
    """A page as elements; every element of it is closed where it should be."""
    reader = _Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    reader.close()
    assert reader.open == [reader.root]
    return reader.root


def rows(page: Element) -> dict[str, Element]:
    """The files' rows by the names that they show."""
    found = list(page.all("tbody", "file"))
    by_name = {next(row.all("span", "name")).text: row for row in found}
    assert len(by_name) == len(found)
    return by_name
