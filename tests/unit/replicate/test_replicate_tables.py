"""What happens to whole tables: emptied, dropped, altered, replaced."""

from dataclasses import replace

import pytest

from streamjoin.errors import SinkError
from streamjoin.replicate.pipeline import replicate
from streamjoin.streaming.runner import Until
from streamjoin.streaming.signals import StopRequest
from tests.faults.replication import caught_up, dying_at, fill
from tests.services.replication_server import Crash


def test_truncate_deletes_what_is_older_and_keeps_what_came_after(world, server):
    fill(server, "country", 1, 2)
    caught_up(world)
    server.truncate("country")
    fill(server, "country", 3)
    caught_up(world)
    assert set(world.items.content()["countries"]) == {"country-3"}


def test_a_truncate_that_is_read_again_keeps_what_came_after(world, server):
    fill(server, "country", 1, 2)
    caught_up(world)
    server.truncate("country")
    fill(server, "country", 3)
    with pytest.raises(Crash):
        caught_up(world, on_step=dying_at("items_written", 2))
    caught_up(world)


def test_truncate_of_one_of_two_tables_of_a_target_keeps_the_items_of_the_other(world, server):
    fill(server, "left", 1, 2)
    fill(server, "right", 7, 8, 9, 10)
    caught_up(world)
    server.truncate("left")
    fill(server, "right", 8, value="changed")
    caught_up(world)
    assert set(world.items.content()["shared"]) == {f"right-{n}" for n in (7, 8, 9, 10)}


def test_a_table_that_takes_a_name_that_no_table_had_keeps_the_items_of_its_targets_other_table(world, server):
    world.ruleless = frozenset({"left", "right"})
    server.drop("left")
    fill(server, "right", 7, 8)
    caught_up(world)
    server.create("tmp")
    server.rows["tmp"] = {1: {"id": 1, "v": "x"}}
    server.rename("tmp", "left")
    caught_up(world)
    assert set(world.items.content()["shared"]) == {"left-1", "right-7", "right-8"}


def test_a_table_that_no_rule_names_leaves_no_items_also_if_it_was_dropped_while_the_job_was_down(world, server):
    world.ruleless = frozenset({"left", "city"})
    fill(server, "left", 1)
    fill(server, "right", 2)
    fill(server, "city", 3)
    caught_up(world)
    server.drop("left")
    server.drop("city")
    caught_up(world)
    content = world.items.content()
    assert (set(content["shared"]), content["cities"]) == ({"right-2"}, {})


def test_the_items_of_a_table_that_the_job_is_not_known_to_have_written_are_left(world, server):
    world.ruleless = frozenset({"city"})
    fill(server, "city", 3)
    caught_up(world)
    world.items.owners["cities"] = "another"
    server.drop("city")
    replicate(world.job(), StopRequest(), Until(caught_up=True))
    assert set(world.items.content()["cities"]) == {"city-3"}


def test_a_target_that_never_was_does_not_stop_the_job(world, server, caplog):
    caught_up(world)
    server.drop("city")

    def refuse(table: str, version: int, mark: str | None) -> int:
        raise SinkError(f"table '{table}': there is none")

    world.items.delete_older = refuse
    caught_up(world)
    assert "table=shop.city is gone, and its items were not deleted" in caplog.text


def test_a_dropped_table_leaves_no_items_also_if_it_was_dropped_while_the_job_was_down(world, server):
    fill(server, "country", 1, 2)
    fill(server, "city", 1)
    caught_up(world)
    server.drop("country")
    caught_up(world)
    assert world.items.content()["countries"] == {}
    assert set(world.items.content()["cities"]) == {"city-1"}


def test_altered_columns_show_in_the_items_of_rows_that_were_not_touched(world, server):
    fill(server, "country", *range(5))
    caught_up(world)
    server.alter("country", "capital")
    caught_up(world)
    assert world.items.content()["countries"]["country-1"]["capital"] == {"S": "default"}
    server.alter("country")
    caught_up(world)
    assert "capital" not in world.items.content()["countries"]["country-1"]


def test_rows_that_went_with_a_partition_are_in_no_event_and_yet_gone(world, server):
    fill(server, "country", *range(5))
    caught_up(world)
    server.alter("country", lose=[1, 2])
    caught_up(world)


def test_a_table_that_takes_the_place_of_another_is_loaded(world, server):
    fill(server, "country", 1, 2)
    caught_up(world)
    server.replace("country", [(2, "new"), (3, "new")])
    caught_up(world)


def test_many_alters_of_a_backlog_are_one_load(world, server):
    fill(server, "country", 1, 2)
    caught_up(world)
    saved = len(world.control.saved)
    for name in ("a", "b", "c"):
        server.alter("country", name)
        fill(server, "country", 2, value=name)
    caught_up(world)
    begun = [s for s in world.control.saved[saved:] if s.loading and not any(p.rows for p in s.loading.values())]
    assert len(begun) == 1


def test_a_table_that_is_made_later_is_replicated(world, server):
    world.targets = {**world.targets, "river": "rivers"}
    caught_up(world)
    server.create("river")
    fill(server, "river", 1)
    caught_up(world)
    assert set(world.items.content()["rivers"]) == {"river-1"}


def test_a_table_that_comes_back_on_another_server_is_loaded_whatever_was_loaded_before(world, server):
    """Of one process: what it has loaded says nothing of a server whose binlog begins again."""
    world.ruleless = frozenset({"city"})
    fill(server, "country", *range(50))
    fill(server, "city", 1)
    job = world.job()
    replicate(job, StopRequest(), Until(caught_up=True))
    world.server = server.fail_over()
    world.server.drop("city")
    job = replace(job, server=world.server)
    replicate(job, StopRequest(), Until(caught_up=True))
    world.server.create("tmp")
    world.server.rows["tmp"] = {2: {"id": 2, "v": "x"}}
    world.server.rename("tmp", "city")
    replicate(job, StopRequest(), Until(caught_up=True))
    assert set(world.items.content()["cities"]) == {"city-2"}


def loaded(server):
    """Return a list that gets the names of tables as they are loaded."""
    names, whole = [], server.load
    server.load = lambda table, *others: names.append(table.name) or whole(table, *others)
    return names


def test_tables_of_a_higher_load_order_are_loaded_first(world, server):
    world.orders = {"right": 3, "city": 2}
    fill(server, "city", *range(5))
    names = loaded(server)
    caught_up(world)
    assert names == ["right", "city", "country", "left"]


def test_a_load_that_goes_on_keeps_to_the_order(world, server):
    world.orders = {"right": 3, "city": 2}
    fill(server, "city", *range(5))
    names = loaded(server)
    with pytest.raises(Crash):
        caught_up(world, on_step=dying_at("chunk_saved", 2))
    caught_up(world)
    assert names == ["right", "city", "city", "country", "left"]


def test_a_reload_deletes_the_items_of_a_table_that_was_dropped_before_it(world, server):
    fill(server, "country", 1, 2)
    caught_up(world)
    server.drop("country")
    caught_up(world, reload=True)
    assert world.items.content()["countries"] == {}
