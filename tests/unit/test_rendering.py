import csv
import datetime as dt
import decimal
import io
import json

import pyarrow as pa
import pytest
from rich.console import Console

from streamjoin.rendering import OutputFormat, as_csv, as_json, as_table, as_tree, plain, write

AT = dt.datetime(2022, 3, 24, 2, 27, 41, tzinfo=dt.UTC)


def shown(renderable, width=100):
    console = Console(file=io.StringIO(), width=width)
    console.print(renderable)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (7, 7),
        ("text", "text"),
        (1.5, 1.5),
        (float("nan"), None),
        (float("inf"), None),
        (decimal.Decimal("9.30"), "9.30"),
        (decimal.Decimal(12345678901234567890), 12345678901234567890),
        (decimal.Decimal("NaN"), "NaN"),
        (AT, "2022-03-24T02:27:41Z"),
        (AT.astimezone(dt.timezone(dt.timedelta(hours=2))), "2022-03-24T02:27:41Z"),
        (AT.replace(tzinfo=None), "2022-03-24T02:27:41"),
        (AT.date(), "2022-03-24"),
        (b"\x00\xff", "AP8="),
        ({"a": [decimal.Decimal("0.5")]}, {"a": ["0.5"]}),
    ],
)
def test_a_value_has_one_form_in_json(value, expected):
    assert plain(value) == expected
    json.dumps(plain(value), allow_nan=False)


def test_json_is_a_list_of_objects():
    table = pa.table({"a": [1, 2], "b": ["x", None]})
    assert json.loads(as_json(table)) == [{"a": 1, "b": "x"}, {"a": 2, "b": None}]
    assert json.loads(as_json(table.slice(0, 0))) == []


def test_json_gives_a_map_as_an_object():
    table = pa.table({"m": pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.int64()))})
    assert json.loads(as_json(table)) == [{"m": {"a": 1}}, {"m": None}]


def test_csv_follows_rfc_4180():
    table = pa.table({"te,xt": ['say "hi"', "two\nlines", None], "n": [1, None, 3]})
    text = as_csv(table)
    assert text == '"te,xt",n\r\n"say ""hi""",1\r\n"two\nlines",\r\n,3\r\n'
    assert list(csv.reader(io.StringIO(text, newline="")))[1] == ['say "hi"', "1"]


def test_csv_gives_nested_values_as_json():
    table = pa.table({"s": [{"a": 1, "b": [True]}]})
    assert list(csv.reader(io.StringIO(as_csv(table)))) == [["s"], ['{"a": 1, "b": [true]}']]


def test_a_table_ends_with_its_number_of_rows():
    assert shown(as_table(pa.table({"a": [1, 2]}))).rstrip().endswith("2 rows")
    assert shown(as_table(pa.table({"a": [1]}))).rstrip().endswith("1 row")


def test_a_long_table_says_that_it_was_cut():
    text = shown(as_table(pa.table({"a": list(range(1_500))})))
    assert "1,500 rows, the first 200 shown" in text
    assert " 199 " in text
    assert " 200 │" not in text


def test_brackets_in_the_data_are_no_colours():
    assert "[red]x[/red]" in shown(as_table(pa.table({"[bold]": ["[red]x[/red]"]})))


def test_more_columns_than_fit_are_shown_below_each_other():
    wide = pa.table({f"column_{number}": [number] for number in range(20)})
    text = shown(as_table(wide, width=100))
    assert all(f"column_{number} " in text for number in range(20))
    assert len(text.splitlines()) > 20


@pytest.mark.parametrize("form", OutputFormat)
def test_each_format_is_written_to_the_console(form):
    console = Console(file=io.StringIO(), width=100)
    write(pa.table({"answer": [42]}), form, console)
    assert "answer" in console.file.getvalue()
    assert "42" in console.file.getvalue()


def test_nested_values_are_shown_as_a_tree():
    text = shown(as_tree({"instant": "2026", "shards": {"s-0": {"kind": "AFTER"}}, "ranges": [{"n": 1}], "none": None}))
    assert [line.strip(" ├└│─") for line in text.splitlines()] == [
        "instant: 2026",
        "shards",
        "s-0",
        "kind: AFTER",
        "ranges",
        "1",
        "n: 1",
        "none: none",
    ]
