"""The page around everything: nothing is fetched, and nothing but its own style counts."""

import base64
import hashlib
import re

from streamjoin.report.markup import STYLE, document, node


def test_the_policy_allows_the_one_style_and_nothing_else() -> None:
    text = document("Title", node("p", "body")).decode()
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    # It stands before all that it is to hold for.
    assert text.index("Content-Security-Policy") < text.index("<link") < text.index("<style>")


def test_the_style_names_nothing_outside_of_the_page() -> None:
    assert not re.search(r"url\(|@import|@font-face|https?:|expression", STYLE)
    assert "prefers-color-scheme: dark" in STYLE


def test_both_themes_have_the_same_colours_by_name() -> None:
    light, dark = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
    names = [set(re.findall(r"(--\w+):", each)) for each in (light, dark)]
    assert names[0] == names[1] and len(names[0]) > 10
    assert set(re.findall(r"var\((--\w+)\)", STYLE)) <= names[0]


def test_a_page_is_whole_whatever_text_it_has() -> None:
    text = document("a < b & \ud800", node("p", "x", node("b", "y"), "z", None, "")).decode()
    assert text.startswith('<!doctype html>\n<html lang="en">')
    assert "<title>a &lt; b &amp; ?</title>" in text
    assert "<body><p>x<b>y</b>z</p></body></html>" in text
