"""Two jobs that write one DynamoDB table: whatever happens to the rows of one, the items of the other stay."""

import logging
from collections.abc import Callable

import pytest

from streamjoin.dynamodb.write.items import JOB_ATTRIBUTE, ItemWriter, Put
from streamjoin.replicate.owners import Owners
from streamjoin.replicate.pipeline import replicate
from streamjoin.replicate.targets import Targets
from streamjoin.streaming.runner import Until
from streamjoin.streaming.signals import StopRequest
from tests.faults.items import FakeTables
from tests.faults.replication import World, fill, job_of
from tests.services.replication_server import Server

CONTROL = "streamjoin_replication"


def run(world: World, *, reload: bool = False) -> None:
    replicate(world.job(), StopRequest(), Until(caught_up=True), reload=reload)


def jobs() -> tuple[Server, World, World]:
    """Return a server with the tables `akas` and `ratings`, and a job for each, with the target `movies`."""
    server = Server()
    for name in ("akas", "ratings"):
        server.create(name)
        fill(server, name, 1, 2)
    akas = World(server, {"akas": "movies"}, name="akas")
    return server, akas, World(server, {"ratings": "movies"}, items=akas.items, name="ratings")


def alter(server: Server, name: str) -> None:
    fill(server, name, 1, value="changed")
    server.alter(name, "note", lose=[2])


@pytest.mark.parametrize(
    "change",
    [alter, Server.truncate, Server.drop, lambda server, name: fill(server, name, 3)],
    ids=["alter", "truncate", "drop", "insert"],
)
@pytest.mark.parametrize("changed", ["akas", "ratings"])
@pytest.mark.parametrize("reload", [False, True])
def test_load_reload_and_whole_tables_of_either_job_leave_the_items_of_the_other(
    change: Callable[[Server, str], None], changed: str, reload: bool
) -> None:
    server, akas, ratings = jobs()
    run(akas)
    alter(server, "ratings")
    run(ratings)
    run(akas)
    change(server, changed)
    for world in (ratings, akas, ratings):
        run(world, reload=reload)
    expected = {**akas.expected()["movies"], **ratings.expected()["movies"]}
    assert akas.items.content() == {"movies": expected}
    of_jobs = {key: job_of(item) for key, (item, _) in akas.items.tables["movies"].items()}
    assert of_jobs == {key: "ratings" if key.startswith("ratings") else None for key in expected}


def test_items_of_a_job_that_was_there_before_owners_were_noted_get_its_name() -> None:
    server, akas, ratings = jobs()
    run(ratings)
    ratings.items.owners["movies"] = "akas"
    run(akas)
    fill(server, "ratings", 3)
    run(ratings)
    run(akas, reload=True)
    assert ratings.control.saved[-1].marked == {"movies"}
    of_jobs = {key: job_of(item) for key, (item, _) in akas.items.tables["movies"].items()}
    assert of_jobs == {"akas-1": None, "akas-2": None, **{f"ratings-{n}": "ratings" for n in (1, 2, 3)}}


def targets(tables: FakeTables, job: str, control: str = CONTROL) -> Targets:
    return Targets(tables, Owners(tables, control, job), job, ItemWriter(tables), create=False)


def write(tables: FakeTables, key: str, mark: str | None) -> None:
    item = {"id": {"S": key}, **({JOB_ATTRIBUTE: {"S": mark}} if mark else {})}
    ItemWriter(tables).write([Put("movies", {"id": {"S": key}}, item, 1)], conditional=False)


def test_the_first_job_of_a_table_owns_it_and_any_other_marks_its_items(caplog: pytest.LogCaptureFixture) -> None:
    tables = FakeTables({CONTROL: {"job": "S"}, "movies": {"id": "S"}})
    assert targets(tables, "akas").mark("movies") is None
    assert tables.items(CONTROL) == [{"job": {"S": "target/movies"}, "owner_job": {"S": "akas"}}]
    assert not caplog.records
    ratings = targets(tables, "ratings")
    assert ratings.mark("movies") == ratings.mark("movies") == "ratings"
    assert ratings.marked == {"movies"}
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "target 'movies' has items of job 'akas': those of job 'ratings' have its name" in record.getMessage()
    assert targets(tables, "akas").mark("movies") is None


def test_a_new_job_marks_its_items_if_the_table_has_some_of_a_job_that_is_not_noted() -> None:
    tables = FakeTables({CONTROL: {"job": "S"}, "other_control": {"job": "S"}, "movies": {"id": "S"}})
    write(tables, "a", None)
    new = targets(tables, "new")
    assert new.mark("movies") == "new"
    assert targets(tables, "elsewhere", "other_control").mark("movies") == "elsewhere"
    # The state before noted no owners: a job that was there already goes on as it did.
    before = targets(tables, "before")
    before.is_new = False
    assert before.mark("movies") is None
    again = targets(tables, "new")
    again.is_new, again.marked = False, new.marked
    assert again.mark("movies") == "new"


def test_of_two_jobs_that_begin_at_once_one_owns_the_table() -> None:
    tables = FakeTables({CONTROL: {"job": "S"}, "movies": {"id": "S"}})
    slow, fast = targets(tables, "slow"), targets(tables, "fast")
    get_item = tables.get_item

    def meanwhile(**request: object) -> object:
        tables.get_item = get_item  # type: ignore[method-assign]
        answer = get_item(**request)  # type: ignore[arg-type]
        assert fast.mark("movies") is None
        return answer

    tables.get_item = meanwhile  # type: ignore[method-assign, assignment]
    assert slow.mark("movies") == "slow"
