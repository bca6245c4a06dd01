"""The page of a report in a real browser: it has its points, fits a phone, and asks for nothing."""

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from streamjoin.report.page import page
from streamjoin.report.points import gathered
from tests.pages import figures_of
from tests.reported import JOBS, SIZES, batches, overview_of
from tests.services import chromium

BROWSER = chromium.program()
PHONE, DESKTOP = 380, 1280
pytestmark = pytest.mark.skipif(BROWSER is None, reason=f"no Chromium is installed ({', '.join(chromium.NAMES)})")


@pytest.fixture(scope="module")
def browser() -> Iterator[chromium.Chromium]:
    assert BROWSER is not None
    with chromium.Chromium(BROWSER) as running:
        yield running


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder, and remembers what it was asked for."""

    disable_nagle_algorithm = True
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a page of each job, stopped for two hours in the middle of its life."""
    made = tmp_path_factory.mktemp("reports")
    for kind in JOBS:
        figures = batches(40, stopped_at=25)
        content = page(overview_of(kind, figures), gathered(figures), None if kind == "replicate" else SIZES, None)
        (made / f"{kind}.html").write_bytes(content)
    # Its ticks have seconds, and are as many as there may be.
    minute = batches(13)
    (made / "minute.html").write_bytes(page(overview_of("enrich", minute), gathered(minute), SIZES, None))
    (made / "never.html").write_bytes(page(overview_of("enrich", []), gathered([]), [], None))
    return made


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    Handler.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("name", [*JOBS, "never"])
def test_a_page_asks_for_nothing_but_itself(browser: chromium.Chromium, address: str, name: str) -> None:
    Handler.asked.clear()
    browser.open(f"{address}/{name}.html", width=DESKTOP)
    assert browser.requests() == [f"{address}/{name}.html"]
    assert Handler.asked == [f"/{name}.html"], "not even an icon"
    assert browser.complaints() == []


# Of each figure: its title, and how many points its shapes have on the screen: of lines and areas corners, else dots.
DRAWN = """
Object.fromEntries([...document.querySelectorAll("figure")].map(figure => [
  figure.querySelector("h3").textContent,
  [...figure.querySelectorAll("polyline")].reduce((sum, line) => sum + line.points.numberOfItems, 0)
    + figure.querySelectorAll("circle").length,
]))
"""
SEEN = """
[...document.querySelectorAll("svg.plot")].every(svg => {
  const box = svg.getBoundingClientRect();
  return box.width > 200 && box.height > 50 && [...svg.querySelectorAll("polyline, polygon, circle, rect.c0")]
    .some(shape => shape.getBoundingClientRect().width > 0 || shape.getBoundingClientRect().height > 0);
})
"""
STYLED = "getComputedStyle(document.querySelector('polyline')).strokeWidth"


@pytest.mark.parametrize("kind", JOBS)
def test_each_plot_has_its_points_on_the_screen(
    browser: chromium.Chromium, address: str, folder: Path, kind: str
) -> None:
    browser.open(f"{address}/{kind}.html", width=DESKTOP)
    assert browser.value(SEEN) is True
    assert browser.value(STYLED) == "1.6px", "the policy lets the page's own style in"
    drawn = browser.value(DRAWN)
    figures = figures_of((folder / f"{kind}.html").read_bytes())
    assert set(drawn) == set(figures)
    lines = {"Throughput": 2, "Lag": 1, "Freshness": 3, "Age of references": 1, "Matched events": 1}
    # A corner and a dot each.
    assert {title: drawn[title] for title in lines if title in drawn} == {
        title: 2 * names * figures[title].points for title, names in lines.items() if title in figures
    }
    assert figures["Lag"].points == 40


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("name", "width"), [("enrich", PHONE), ("enrich", DESKTOP), ("minute", PHONE)])
def test_nothing_is_wider_than_the_screen_and_all_text_can_be_read(
    browser: chromium.Chromium, address: str, tmp_path: Path, name: str, width: int, theme: str
) -> None:
    browser.open(f"{address}/{name}.html", width=width, theme=theme)
    picture = tmp_path / f"{name}-{width}-{theme}.png"
    browser.screenshot(picture)
    assert picture.stat().st_size > 20_000
    assert browser.value("document.documentElement.scrollWidth") == width
    assert browser.value(LEAST_LETTERS) >= 12, "pixels, on a phone too"
    assert browser.value(OVERLAPS) == []
    browser.value("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert browser.value("document.documentElement.scrollWidth") == width
    assert browser.value(CONTRAST) >= 4.5, "WCAG 2.2, 1.4.3"


LEAST_LETTERS = """
Math.min(...[...document.querySelectorAll("text")].map(each => each.getBBox().height).filter(height => height))
"""
# The least contrast of any text with what is behind it.
CONTRAST = """
(() => {
  const rgb = text => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(each => each / 255)
    .map(each => each <= 0.03928 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4)
    .reduce((sum, each, index) => sum + each * [0.2126, 0.7152, 0.0722][index], 0);
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (!colour.startsWith("rgba(0, 0, 0, 0")) return rgb(colour);
    }
    return [255, 255, 255];
  };
  const written = [...document.querySelectorAll("h1, h2, h3, p, dt, dd, b, small, li, summary, th, td, span, text")];
  return Math.min(...written.filter(each => each.textContent.trim()).map(each => {
    const style = getComputedStyle(each);
    const [high, low] = [light(rgb(each.tagName === "text" ? style.fill : style.color)), light(behind(each))]
      .sort((one, other) => other - one);
    return (high + 0.05) / (low + 0.05);
  }));
})()
"""
# Ticks that run into each other.
OVERLAPS = """
[...document.querySelectorAll("svg.plot")].flatMap(svg => {
  const boxes = [...svg.querySelectorAll("text.tick")].filter(each => getComputedStyle(each).display !== "none")
    .map(each => each.getBoundingClientRect()).sort((one, other) => one.left - other.left);
  return boxes.slice(1).map((box, index) => box.left - boxes[index].right).filter(gap => gap < 3);
})
"""


def test_themes_differ(browser: chromium.Chromium, address: str) -> None:
    seen = set()
    for theme in ("light", "dark"):
        browser.open(f"{address}/enrich.html", width=DESKTOP, theme=theme)
        seen.add(browser.value("getComputedStyle(document.body).backgroundColor"))
    assert len(seen) == 2


def test_a_page_is_told_to_those_who_can_not_see_it(browser: chromium.Chromium, address: str) -> None:
    browser.open(f"{address}/enrich.html", width=DESKTOP)
    nodes = browser.send("Accessibility.getFullAXTree")["nodes"]
    images = [each for each in nodes if each["role"]["value"] in ("image", "img", "graphics-document")]
    named = {each["name"]["value"]: each.get("description", {}).get("value", "") for each in images}
    assert "Lag" in named, named
    assert "40 points from" in named["Lag"]
