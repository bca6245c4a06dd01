import pytest

from streamjoin.capture.config.columns import CHANGE_COLUMNS, CHANGELOG_COLUMNS
from streamjoin.records import change_columns

SCHEMA = "tables[0].schema"
RENAME = "tables[0].rename"
DROP = "tables[0].drop"
HUDI = "tables[0].sink.hudi"
LOG = {"tables[0].layout": "changelog"}


def test_the_names_that_are_taken_are_those_that_a_change_has():
    assert change_columns.RESERVED_FOR_CHANGES - {change_columns.IS_DELETED} == CHANGE_COLUMNS
    assert change_columns.CHANGELOG_COLUMNS == CHANGELOG_COLUMNS


@pytest.mark.parametrize(
    "changes",
    [
        {DROP: ["PK", "SK"], f"{HUDI}.record_key": ["orderid"]},
        {f"{HUDI}.options": {"hoodie.index.type": "SIMPLE"}},
        {f"{HUDI}.partition_by": ["day"], f"{HUDI}.options": {"hoodie.index.type": "GLOBAL_BLOOM"}},
        {**LOG, f"{HUDI}.partition_by": ["day"], f"{HUDI}.options": {"hoodie.index.type": "SIMPLE"}},
        # Found by its key all the same.
        {DROP: ["PK"], f"{HUDI}.record_key": ["PK", "orderid"]},
        {f"{HUDI}.record_key": ["PK", "SK"]},
        {RENAME: {"createdAt": "created_at"}, f"{HUDI}.record_key": ["created_at"]},
        {RENAME: {"orderid": "quantity", "quantity": "orderid"}},
        {RENAME: {"order-id": "order_id"}, f"{HUDI}.record_key": ["order_id"]},
        {RENAME: {"order-id": "order_id"}, "tables[0].undeclared": "evolve"},
        {SCHEMA: "operation string, keys string, changed_at timestamp"},
        {**LOG, SCHEMA: "operation string", RENAME: {"operation": "what"}},
        {f"{HUDI}.partition_by": ["createdAt", {"name": "year", "from": "created", "format": "yyyy"}]},
        {f"{HUDI}.partition_by": [{"name": "dt", "from": "changed_at", "format": "yyyyMMdd"}]},
        {DROP: ["PK"], f"{HUDI}.partition_by": [{"name": "pk", "from": "PK"}], f"{HUDI}.record_key": ["pk"]},
        {
            RENAME: {"createdAt": "created_at"},
            f"{HUDI}.partition_by": [
                {"name": "year", "from": "createdAt", "format": "yyyy"},
                {"name": "month", "from": "created_at", "format": "MM"},
            ],
        },
    ],
)
def test_what_fits_is_taken(capture_problems, changes):
    assert capture_problems(changes) == []


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {**LOG, f"{HUDI}.partitions": "may_move"},
            f"{HUDI}.partitions: found may_move with layout changelog, whose rows stay; allowed: fixed",
        ),
        (
            {SCHEMA: "a string, `a-b` string"},
            f"{SCHEMA}: Hudi can't store a column named 'a-b'; give it another name: rename: {{a-b: a_b}}",
        ),
        (
            {SCHEMA: "a map<string,struct<b:array<struct<`c-d`:int>>>>", RENAME: {"a": "b"}},
            f"{SCHEMA}: Hudi can't store a field named 'c-d' in 'a{{}}.b[]'; declare 'a' as string, its JSON text",
        ),
        ({SCHEMA: "_order string"}, f"{SCHEMA}: '_order' is a column of streamjoin's own; give it another name: "),
        ({SCHEMA: "_Item_Key string"}, f"{SCHEMA}: '_Item_Key' is a column of streamjoin's own; "),
        ({SCHEMA: "_hoodie_is_deleted boolean"}, f"{SCHEMA}: '_hoodie_is_deleted' is reserved for Hudi; "),
        ({SCHEMA: "_detail string"}, f"{SCHEMA}: '_detail' is reserved for streamjoin; "),
        (
            {**LOG, SCHEMA: "Operation string"},
            f"{SCHEMA}: 'Operation' is a column that every changelog has; give it another name: "
            "rename: {Operation: item_Operation}",
        ),
        ({RENAME: {"orderid": "_attributes"}}, f"{RENAME}.orderid: '_attributes' is a column of streamjoin's own; "),
        ({RENAME: {"orderid": "_hoodie_x"}}, f"{RENAME}.orderid: found '_hoodie_x'; '_hoodie_x' is reserved for Hudi"),
        ({RENAME: {"orderid": "order id"}}, f"{RENAME}.orderid: Hudi can't store a column named 'order id'; "),
        (
            {RENAME: {"orderid": "Quantity"}},
            f"{SCHEMA}: the column 'quantity' is that of the attribute 'orderid' already; ",
        ),
        (
            {RENAME: {"orderid": "x", "quantity": "X"}},
            f"{RENAME}.quantity: the column 'X' is that of the attribute 'orderid' already; ",
        ),
        (
            {RENAME: {"a": "x", "b": "X"}, "tables[0].undeclared": "evolve"},
            f"{RENAME}.b: found 'X', the new name of 'a' too; ",
        ),
        (
            {RENAME: {"orderID": "id"}},
            f"{RENAME}.orderID: without effect, for 'orderID' is not in schema and so has no column; did you mean "
            "'orderid'? declare it, or set undeclared: evolve",
        ),
        ({RENAME: {"PK": "_order"}}, f"{RENAME}.PK: '_order' is a column of streamjoin's own; use another name"),
        ({RENAME: {"PK": "p k"}}, f"{RENAME}.PK: Hudi can't store a column named 'p k'; "),
        ({DROP: ["orderid"]}, f"{DROP}[0]: found 'orderid', which schema declares as a column; take it out of one"),
        (
            {DROP: ["PK"], RENAME: {"PK": "pk"}},
            f"{RENAME}.PK: found 'PK' renamed, which drop leaves out; take it out of one of them",
        ),
        (
            {RENAME: {"orderid": "id"}, f"{HUDI}.record_key": ["orderid"]},
            f"{HUDI}.record_key[0]: found 'orderid', whose column is named 'id' by rename; name the column",
        ),
        ({f"{HUDI}.record_key": ["orderId"]}, f"{HUDI}.record_key[0]: found 'orderId', but the column is 'orderid'; "),
        ({f"{HUDI}.record_key": ["_item_key"]}, f"{HUDI}.record_key[0]: '_item_key' is a column of streamjoin's own; "),
        (
            {SCHEMA: "tags array<string>", f"{HUDI}.record_key": ["tags"]},
            f"{HUDI}.record_key[0]: found a column of type array<string>; allowed: a column of a simple type",
        ),
        (
            {f"{HUDI}.record_key": ["order-id"]},
            f"{HUDI}.record_key[0]: Hudi can't store a column named 'order-id'; give it another name: rename: ",
        ),
        (
            {f"{HUDI}.partition_by": [{"name": "dt", "format": "yyyyMMdd"}]},
            f"{HUDI}.partition_by[0].format: found without from; name the column or attribute",
        ),
        (
            {f"{HUDI}.partition_by": ["dt", "DT"]},
            f"{HUDI}.partition_by[1].name: found 'DT', which is also the name of {HUDI}.partition_by[0]; ",
        ),
        (
            {f"{HUDI}.partition_by": [{"name": "quantity", "from": "createdAt"}]},
            f"{HUDI}.partition_by[0].name: the column 'quantity' is that of the attribute 'quantity' already; ",
        ),
        (
            {f"{HUDI}.partition_by": [{"name": "_order", "from": "createdAt"}]},
            f"{HUDI}.partition_by[0].name: '_order' is a column of streamjoin's own; ",
        ),
        ({f"{HUDI}.partition_by": ["a-b"]}, f"{HUDI}.partition_by[0].name: Hudi can't store a column named 'a-b'; "),
        (
            {f"{HUDI}.partition_by": [{"name": "at", "from": "changed_at"}]},
            f"{HUDI}.partition_by[0].format: missing; changed_at needs it, such as yyyyMMdd, ",
        ),
        (
            {**LOG, f"{HUDI}.partition_by": [{"name": "what", "from": "operation"}]},
            f"{HUDI}.partition_by[0].from: found 'operation'; allowed: changed_at, or a column or attribute",
        ),
        (
            {**LOG, SCHEMA: "DT string"},
            f"{HUDI}.partition_by: missing; without it a changelog's partition is 'dt', which is the column of the "
            "attribute 'DT' already; ",
        ),
        (
            {SCHEMA: "paid boolean", f"{HUDI}.partition_by": [{"name": "d", "from": "paid", "format": "yyyy"}]},
            f"{HUDI}.partition_by[0].format: column 'paid' is of type boolean; allowed: a time, or no format",
        ),
        (
            {f"{HUDI}.partition_by": [{"name": "d", "from": "createdAt", "format": "yyyymmdd"}]},
            f"{HUDI}.partition_by[0].format: found 'yyyymmdd'; 'mm' is minutes; use MM for the month",
        ),
    ],
)
def test_a_column_that_no_table_can_have_is_named(capture_problems, changes, line):
    (found,) = capture_problems(changes)
    assert found.startswith(line)


def test_a_reserved_name_is_refused_in_either_layout_only_if_it_is_one(capture_problems):
    for name in CHANGELOG_COLUMNS:
        assert capture_problems({SCHEMA: f"{name} string"}) == []
        assert len(capture_problems({**LOG, SCHEMA: f"{name} string"})) == 1
    for name in CHANGE_COLUMNS:
        for layout in ("current", "changelog"):
            assert len(capture_problems({SCHEMA: f"{name} string", "tables[0].layout": layout})) == 1


def test_the_name_that_is_proposed_is_taken(capture_problems):
    for name in ("order-id", "operation", "_order", "1st", "-", "_hoodie_x"):
        (line,) = capture_problems({**LOG, SCHEMA: f"`{name}` string"})
        proposed = line.rpartition("rename: {")[2].rstrip("}").rpartition(": ")[2]
        assert capture_problems({**LOG, SCHEMA: f"`{name}` string", RENAME: {name: proposed}}) == []


def test_a_changelog_has_nothing_that_expires(capture_problems):
    listed = capture_problems({"tables[0].layout": "changelog", "tables[0].expired": "keep"})
    assert [line for line in listed if line.startswith("tables[0].expired: found keep with layout changelog")]
