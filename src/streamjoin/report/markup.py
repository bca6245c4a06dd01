"""HTML and SVG as elements, so that text is escaped wherever it comes from, and the page around them."""

import base64
import hashlib
from importlib.resources import files
from typing import Final
from xml.etree.ElementTree import Element, tostring

Child = Element | str | None
"""What an element holds; None is nothing."""

STYLE: Final = files("streamjoin.report").joinpath("style.css").read_text()


def node(tag: str, *children: Child, **attributes: str | float | None) -> Element:
    """Return an element.

    Args:
        tag: Its name.
        children: What it holds, in this order.
        attributes: Its attributes; an underscore stands for a hyphen, one at the end for nothing, and None leaves an
            attribute out.
    """
    made = Element(
        tag,
        {
            name.rstrip("_").replace("_", "-"): value if isinstance(value, str) else f"{value:g}"
            for name, value in attributes.items()
            if value is not None
        },
    )
    last: Element | None = None
    for child in children:
        if isinstance(child, Element):
            made.append(child)
            last = child
        elif child and last is None:
            made.text = (made.text or "") + child
        elif child and last is not None:
            last.tail = (last.tail or "") + child
    return made


def text_of(element: Element) -> str:
    """Return an element as text of HTML."""
    return tostring(element, encoding="unicode", method="html")


def document(title: str, *body: Child, style: str = STYLE) -> bytes:
    """Return a page that fetches nothing, and that no script or style but its own can be smuggled into.

    Args:
        title: Of the page.
        body: What it holds.
        style: Its style sheet.
    """
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    page = node(
        "html",
        node(
            "head",
            node("meta", charset="utf-8"),
            node("meta", http_equiv="Content-Security-Policy", content=policy),
            node("meta", name="viewport", content="width=device-width, initial-scale=1"),
            node("meta", name="color-scheme", content="light dark"),
            node("meta", name="referrer", content="no-referrer"),
            # Without one a browser asks the page's server for it.
            node("link", rel="icon", href="data:,"),
            node("title", title),
            node("style", style),
        ),
        node("body", *body),
        lang="en",
    )
    # Text that came as JSON may have halves of characters.
    return f"<!doctype html>\n{text_of(page)}\n".encode(errors="replace")
