"""Whatever happens while a job runs and dies and starts again, the items end equal to the rows."""

from collections import deque
from typing import Any

from hypothesis import event, given, settings
from hypothesis import strategies as st

from streamjoin.replicate.pipeline import replicate
from streamjoin.streaming.runner import Until
from streamjoin.streaming.signals import StopRequest
from tests.faults.replication import World
from tests.services.replication_server import Crash, Server

TARGETS = {"a": "A", "b": "B", "c": "shared", "d": "shared"}

tables = st.sampled_from(sorted(TARGETS))
ids = st.integers(1, 5)
# A row with the empty value can't be an item.
values = st.sampled_from(["", "x", "y", "z"])
rows = st.lists(st.tuples(ids, values), unique_by=lambda row: row[0], max_size=5)
operations = st.one_of(
    st.tuples(st.just("put"), tables, ids, values),
    st.tuples(st.just("put"), tables, ids, values),
    st.tuples(st.just("delete"), tables, ids),
    st.tuples(st.just("move"), tables, ids, ids, values),
    st.tuples(st.just("truncate"), tables),
    st.tuples(st.just("alter"), tables, st.sampled_from([(), ("w",), ("w", "u")]), st.lists(ids, max_size=2)),
    st.tuples(st.just("drop"), tables),
    st.tuples(st.just("create"), tables),
    st.tuples(st.just("replace"), tables, rows),
    st.tuples(st.just("statement"), tables, ids, values, tables),
    st.tuples(st.just("late"), st.booleans()),
    st.just(("rotate",)),
    st.sampled_from([("crash",), ("crash",), ("fail over",), ("reload",), ("nothing",), ("nothing",)]),
)


class History:
    """What happens at one hook after the other; then the job is asked to stop."""

    def __init__(self, world: World, script: list[tuple[Any, ...]]) -> None:
        self.world, self.script = world, deque(script)
        self.stop = StopRequest()
        self.reload = False

    def hook(self, step: str) -> None:
        if not self.script:
            self.stop.make()
            return
        kind, *arguments = self.script.popleft()
        event(kind)
        if kind == "crash":
            raise Crash
        if kind == "reload":
            self.reload = True
            raise Crash
        if kind == "fail over":
            self.world.server = self.world.server.fail_over()
            raise Crash
        happens(self.world.server, kind, *arguments)

    def run(self) -> None:
        self.world.server.meanwhile = self.world.items.meanwhile = self.hook
        while not self.stop.made:
            reload, self.reload = self.reload, False
            try:
                replicate(self.world.job(), self.stop, Until(), reload=reload, on_step=self.hook)
            except Crash:
                continue
        self.world.server.meanwhile = self.world.items.meanwhile = lambda step: None
        replicate(self.world.job(), StopRequest(), Until(caught_up=True), reload=self.reload)


def happens(server: Server, kind: str, *arguments: Any) -> None:
    name, *rest = arguments or ("",)
    if kind == "late":
        server.sees_late = name
        return
    if kind == "rotate":
        server.rotate()
        return
    if kind == "create" and name not in server.rows:
        server.create(name)
    if name not in server.rows:
        return
    there = server.rows[name]
    if kind == "put":
        server.insert_or_update(name, *rest)
    elif kind == "delete" and rest[0] in there:
        server.write(name, (rest[0], None, ""))
    elif kind == "move" and rest[0] in there and rest[1] not in there:
        server.write(name, tuple(rest))
    elif kind in ("truncate", "drop"):
        getattr(server, kind)(name)
    elif kind == "alter":
        server.alter(name, *rest[0], lose=rest[1])
    elif kind == "statement" and rest[2] in server.rows and rest[2] != name:
        server.statement(name, *rest)
    elif kind == "replace":
        server.replace(name, rest[0])


@settings(max_examples=400, deadline=None)
@given(
    before=st.fixed_dictionaries({name: rows for name in TARGETS}),
    script=st.lists(operations, max_size=60),
    records=st.integers(1, 4),
)
def test_after_any_history_the_items_are_those_of_the_rows(before, script, records):
    server = Server()
    for name, found in before.items():
        server.create(name)
        for row, value in found:
            server.insert_or_update(name, row, value)
    world = World(server, TARGETS, records=records)
    History(world, script).run()
    assert world.items.content() == world.expected()
