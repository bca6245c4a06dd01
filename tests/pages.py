"""A page of `streamjoin report` taken apart: its figures by title, with what they draw and what their tables say."""

import re
from dataclasses import dataclass
from xml.etree.ElementTree import Element, fromstring

Place = tuple[float, float]


@dataclass(frozen=True)
class Figure:
    """A figure, as it stands in the page."""

    element: Element

    @property
    def points(self) -> int:
        return int(self.element.attrib["data-points"])

    @property
    def words(self) -> str:
        return " ".join(self.element.itertext())

    def shapes(self, tag: str, colour: str) -> list[list[Place]]:
        """Return the corners of lines or polygons of a colour."""
        found = (each for each in self.element.iter(tag) if each.get("class") == colour)
        return [[tuple(map(float, pair.split(","))) for pair in each.attrib["points"].split()] for each in found]  # type: ignore[misc]

    def count(self, tag: str, colour: str | None = None) -> int:
        return sum(colour in (None, each.get("class")) for each in self.element.iter(tag))

    def rows(self) -> list[dict[str, str]]:
        """Return the rows of the first table, by its heading."""
        table = next(self.element.iter("table"), None)
        return [] if table is None else rows_of(table)


def rows_of(table: Element) -> list[dict[str, str]]:
    head, *rows = [["".join(cell.itertext()) for cell in row] for row in table.iter("tr")]
    return [dict(zip(head, row, strict=True)) for row in rows]


def body_of(page: bytes) -> Element:
    """Return the body of a page, which is XML too: nothing in it stands for itself."""
    match = re.search(r"<body>.*</body>", page.decode(), re.DOTALL)
    assert match is not None
    return fromstring(match[0])  # noqa: S314  (our own)


def figures_of(page: bytes) -> dict[str, Figure]:
    found = {next(each.iter("h3")).text or "": Figure(each) for each in body_of(page).iter("figure")}
    assert len(found) == sum(1 for _ in body_of(page).iter("figure")), "each title stands once"
    return found


def tables_of(page: bytes) -> dict[str, list[dict[str, str]]]:
    """Return the rows of all tables that are folded away, by what stands beside them."""
    details = body_of(page).iter("details")
    return {"".join(next(each.iter("summary")).itertext()): rows_of(next(each.iter("table"))) for each in details}
