"""Plots, taken apart again: each shape is where its value says, and each number stands in a table."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest

from streamjoin.report.across import Across
from streamjoin.report.drawing import INNER
from streamjoin.report.markup import node, text_of
from streamjoin.report.plots import Form, Plot, bars, drawn
from streamjoin.report.scales import COUNT, SECONDS, Unit
from tests.pages import Figure, Place

BEGIN = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)
Values = Mapping[str, Sequence[float | None]]


def plot(lines: Values, form: Form = Form.LINES, unit: Unit = COUNT, **rest: bool) -> Plot:
    return Plot(title="Rows", about="Of a batch.", unit=unit, lines=lines, nothing="No rows.", form=form, **rest)


def moments(*seconds: float) -> list[datetime]:
    return [BEGIN + timedelta(seconds=each) for each in seconds]


def figure(
    lines: Values, form: Form = Form.LINES, silent: Sequence[int] = (), unit: Unit = COUNT, **rest: bool
) -> Figure:
    """Return the figure of values 100 s apart; `silent`: numbers of the points before which there was silence."""
    at = moments(*(100 * number for number in range(len(next(iter(lines.values()))))))
    silences = [(at[number - 1], at[number]) for number in silent]
    return Figure(drawn(plot(lines, form, unit, **rest), Across.times(at, silences)))


def back(places: Sequence[Place], top: float, count: int) -> list[tuple[int, float]]:
    """Return number and value of each place of a plot of so many points, whose highest tick is `top`."""
    return [(round(x / 1000 * (count - 1)), round((1 - y / INNER) * top, 1)) for x, y in places]


def test_a_line_is_where_its_values_are_and_its_dots_too() -> None:
    found = figure({"read": [1, 4, 2, 0]})
    assert back(found.shapes("polyline", "l0")[0], 4, 4) == [(0, 1.0), (1, 4.0), (2, 2.0), (3, 0.0)]
    dots = [(each.get("cx"), each.get("cy")) for each in found.element.iter("circle")]
    assert dots == [("0.00%", "124.0"), ("33.33%", "10.0"), ("66.67%", "86.0"), ("100.00%", "162.0")]
    assert found.points == 4


def test_a_line_ends_where_nothing_was_committed_and_passes_over_what_is_not_known() -> None:
    found = figure({"read": [1, None, 2, 3, 4, 4]}, silent=[3, 5])
    assert [[i for i, _ in back(each, 4, 6)] for each in found.shapes("polyline", "l0")] == [[0, 2], [3, 4]]
    # What stands alone between two silences is a dot.
    assert found.count("circle", "c0") == 5
    assert found.points == 5
    assert [each.get("class") for each in found.element.iter("rect")].count("silence") == 2
    assert "no commit from 2026-01-31 12:06:40 to 2026-01-31 12:08:20 UTC" in found.words


def test_of_many_points_the_line_is_drawn_without_dots_but_for_one_that_stands_alone() -> None:
    many = figure({"read": list(range(100))}, silent=[99])
    assert len(many.shapes("polyline", "l0")[0]) == 99
    assert many.count("circle") == 1


def test_a_step_holds_until_the_next_one() -> None:
    found = figure({"country": [0, 2, 4]}, Form.STEPS)
    assert back(found.shapes("polyline", "l0")[0], 4, 3) == [(0, 0.0), (1, 0.0), (1, 2.0), (2, 2.0), (2, 4.0)]


def test_areas_stand_above_each_other() -> None:
    found = figure({"compute": [1, 1, 2], "commit": [2, 3, 1]}, Form.AREAS)
    (compute,), (commit,) = (found.shapes("polygon", colour) for colour in ("c0", "c1"))
    assert back(compute, 4, 3) == [(0, 1), (1, 1), (2, 2), (2, 0), (1, 0), (0, 0)]
    assert back(commit, 4, 3) == [(0, 3), (1, 4), (2, 3), (2, 2), (1, 1), (0, 1)]
    # A single point has a width too.
    alone = figure({"compute": [1, 2]}, Form.AREAS, silent=[1])
    assert [len({x for x, _ in each}) for each in alone.shapes("polygon", "c0")] == [2, 2]


def test_bars_stand_above_each_other_where_there_is_something() -> None:
    found = figure({"WRONG_TYPE": [0, 3, 0, 1], "NOT_UTF8": [0, 1, 0, 0], "NEVER": [0, 0, 0, 0]}, Form.BARS)
    heights = {
        colour: [
            (round(max(y for _, y in each) - min(y for _, y in each), 1)) for each in found.shapes("polygon", colour)
        ]
        for colour in ("c0", "c1", "c2")
    }
    assert heights == {"c0": [round(INNER * 3 / 4, 1), round(INNER / 4, 1)], "c1": [round(INNER / 4, 1)], "c2": []}
    assert "NEVER" not in found.words
    assert [row["WRONG_TYPE"] for row in found.rows()] == ["0", "3", "0", "1"]
    for polygon in found.shapes("polygon", "c0"):
        assert all(0 <= x <= 1000 for x, _ in polygon)


def test_more_names_than_colours_are_the_greatest_and_all_others() -> None:
    found = figure({f"t{number}": [float(number), 1.0] for number in range(1, 21)}, Form.BARS)
    assert [*found.rows()[0]] == ["UTC", *(f"t{number}" for number in range(14, 21)), "all others"]
    assert found.rows()[0]["all others"] == f"{sum(range(1, 14))}"


@pytest.mark.parametrize("form", list(Form))
def test_every_number_stands_in_the_table_and_in_words(form: Form) -> None:
    found = figure({"a": [1, 2], "b": [3, 1]}, form)
    assert found.rows() == [
        {"UTC": "2026-01-31 12:00:00", "a": "1", "b": "3"},
        {"UTC": "2026-01-31 12:01:40", "a": "2", "b": "1"},
    ]
    assert found.points == 2
    told = "a from 1 to 2, at last 2; b from 1 to 3, at last 1"
    (image,) = [each for each in found.element.iter("svg") if each.get("role") == "img"]
    assert next(image.iter("title")).text == "Rows"
    assert told in (next(image.iter("desc")).text or "")
    # What a pointer is told.
    assert "2026-01-31 12:01:40 UTC\na: 2\nb: 1" in [each.text for each in found.element.iter("title")]
    assert [each.text for each in found.element.iter("text")][:4] == ["0", "1", "2", "3"]


@pytest.mark.parametrize("form", list(Form))
def test_where_there_is_nothing_a_sentence_says_so(form: Form) -> None:
    for found in (
        Figure(drawn(plot({}, form), Across.times(moments(0)))),
        Figure(drawn(plot({"a": [None]}, form), Across.times(moments(0)))),
        Figure(drawn(plot({"a": []}, form), None)),
    ):
        assert (found.points, found.count("svg")) == (0, 0)
        assert "No rows." in found.words


@pytest.mark.parametrize("form", list(Form))
def test_one_point_stands_in_the_middle(form: Form) -> None:
    found = figure({"a": [3]}, form)
    assert found.points == 1
    if form in (Form.LINES, Form.STEPS):
        assert next(found.element.iter("circle")).get("cx") == "50.00%"
    else:
        xs = [x for x, _ in found.shapes("polygon", "c0")[0]]
        assert (min(xs) + max(xs)) / 2 == 500


def test_a_scale_that_is_by_powers_of_ten_says_so() -> None:
    values = [1.0, 1.0, 1.0, 4_000.0]
    assert "The scale is logarithmic." in figure({"p99": values}, unit=SECONDS, is_log=True).words
    assert "logarithmic" not in figure({"p99": values}, unit=SECONDS).words


def test_bars_in_rows_are_as_long_as_their_values() -> None:
    found = Figure(bars("Files", "By size.", COUNT, {"small": {"base": 2, "logs": 2}, "large": {"base": 1, "logs": 0}}))
    widths = [(each.get("class"), each.get("width")) for each in found.element.iter("rect")]
    assert widths == [("c0", "40.00%"), ("c1", "40.00%"), ("c0", "20.00%"), ("c1", "0.00%")]
    assert found.rows() == [{"": "small", "base": "2", "logs": "2"}, {"": "large", "base": "1", "logs": "0"}]
    assert found.points == 2
    assert "small: 4; large: 1" in found.words


def test_a_part_has_its_colour_in_each_figure() -> None:
    found = Figure(bars("Steps", "s", COUNT, {"ours": {"commit": 1}}, known=["fetch", "commit"]))
    assert next(found.element.iter("rect")).get("class") == "c1"


def test_numbers_may_run_to_the_right_by_powers_of_ten() -> None:
    across = Across.numbers("rows", [10_000, 3_000_000], is_log=True)
    found = Figure(drawn(plot({"ours": [1.0, 2.0]}), across))
    assert found.shapes("polyline", "l0")[0][0][0] == 0
    assert [row["rows"] for row in found.rows()] == ["10k", "3M"]


HOSTILE = "<script>alert(1)</script> \"' & </title><img src=x onerror=alert(1)>"


def test_names_are_text_wherever_they_stand() -> None:
    whole = text_of(drawn(plot({HOSTILE: [1, 2], "b": [2, 1]}), Across.times(moments(0, 9))))
    assert "<script" not in whole and "<img" not in whole
    assert "&lt;script&gt;" in whole
    row = text_of(bars(HOSTILE, HOSTILE, COUNT, {HOSTILE: {HOSTILE: 1}}))
    assert "<script" not in row and "<img" not in row


def test_an_attribute_can_not_be_left() -> None:
    found = list[tuple[str, list[tuple[str, str | None]]]]()
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: found.append((tag, attributes))  # type: ignore[method-assign]
    parser.feed(text_of(node("a", aria_label=HOSTILE, class_=None)))
    assert found == [("a", [("aria-label", HOSTILE)])]
