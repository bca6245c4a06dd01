import pytest

from streamjoin.enrich.config.sql_names import names_used


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("code", "code"),
        ("Code || COUNTRY", "code country"),
        ("upper(trim(code))", "code"),
        ("unitssold*2+unitprice", "unitssold unitprice"),
        ("`order-id` + `a``b`", "order-id a`b"),
        ("`Order Id`", "order id|"),
        # Literals of both kinds, raw ones too.
        ("concat(code, ' country ')", "code"),
        ('concat(code, " country ")', "code"),
        (r"concat('it\'s country', code)", "code"),
        ("concat('it''s country', code)", "code"),
        ("""concat('"country', code, "'country")""", "code"),
        (r"regexp_replace(code, r'\', 'country')", "code"),
        (r'regexp_replace(code, R"\d", "country")', "code"),
        (r"concat(r'\', code, 'country')", "code"),
        (r'concat(R"\", code, "country")', "code"),
        ("concat('`country`', code)", "code"),
        # Typed literals and units.
        ("code > DATE '2026-01-31'", "code"),
        ("date > date'2026-01-31'", "date"),
        ("X'1C7' || code", "code"),
        ("ts + INTERVAL 1 day", "ts interval"),
        ("ts + INTERVAL '1' day", "ts"),
        ("1e5 + 10L + 2.5BD + .5 + 3.f + 1.e2D + code", "code"),
        ("2nd_code + 1", "2nd_code"),
        # Fields, types and aliases.
        ("address.code", "address"),
        ("`address` . `code`", "address"),
        ("addresses[0].code", "addresses"),
        ("from_json(code, 'country string').country", "code"),
        ("cast(code as date)", "code"),
        ("CAST(code AS DECIMAL(10, 2))", "code"),
        ("code::date", "code"),
        ("named_struct('country', code).country", "code"),
        # A function of a column's name is no column, however far its parenthesis.
        ("year(ts) + year", "ts year"),
        ("year\n (ts)", "ts"),
        ("code in ('x')", "code"),
        ("transform(tags, tag -> tag || code)", "tags tag code"),
        # Comments.
        ("code -- country\n+ region", "code region"),
        ("code /* country */ + region", "code region"),
        ("code - - region", "code region"),
        ("address /* of */ . /* the */ code", "address"),
        ("year /* of */ (ts)", "ts"),
        # All columns, and what only looks like that.
        ("struct(*)", "*"),
        ("struct(code, *)", "code *"),
        ("to_json(struct( * ))", "*"),
        ("unitssold * unitprice", "unitssold unitprice"),
        ("(unitssold) * (unitprice)", "unitssold unitprice"),
        ("struct(address.*)", "address"),
        ("'*'", ""),
        ("", ""),
        ("1", ""),
    ],
)
def test_the_names_that_an_expression_uses_are_found(expression, names):
    expected = [names[:-1]] if names.endswith("|") else names.split()
    assert names_used(expression) - {"as", "in"} == set(expected) - {"as"}


def test_a_column_that_is_named_like_a_keyword_is_found():
    assert names_used("`as` + code") == {"as", "code"}


def test_keywords_are_among_the_names_for_a_caller_to_pass_over():
    used = names_used("CASE WHEN code = 'x' AND NOT region THEN total ELSE unitssold END")
    assert {"code", "region", "total", "unitssold"} < used
    assert {"case", "when", "then", "else", "end"} < used


@pytest.mark.parametrize(
    "expression", ["'open", '"open', "`open", "/* open", "a ' b", "r'", "``", "🙂 + code", "a.", "(*"]
)
def test_an_expression_that_spark_would_refuse_is_read_all_the_same(expression):
    assert isinstance(names_used(expression), frozenset)
