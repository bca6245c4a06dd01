import logging
import re

import pytest

from streamjoin.errors import SinkError, SourceError
from streamjoin.replicate.load import LOAD_STEPS
from streamjoin.replicate.pipeline import STEPS, begin, replicate
from streamjoin.streaming.attempts import MAX_ATTEMPTS
from streamjoin.streaming.runner import Until
from streamjoin.streaming.signals import StopRequest
from tests.faults.replication import Control, Pauses, caught_up, dying_at, fill
from tests.services.replication_server import Crash, nothing


def test_a_full_load_and_then_the_changes_make_the_rows(world, server):
    fill(server, "country", *range(10))
    caught_up(world)
    server.write("country", (3, 3, "changed"), (4, None, ""), (5, 55, "moved"), (None, 11, "new"))
    caught_up(world)
    assert set(world.items.content()["countries"]) == {f"country-{n}" for n in (0, 1, 2, 3, 55, 6, 7, 8, 9, 11)}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("time", [1, 2])
def test_a_batch_that_died_at_any_step_is_done_again(world, server, step, time):
    caught_up(world)
    fill(server, "country", *range(4))
    server.write("country", (1, None, ""), (2, 22, "moved"))
    server.alter("city", "mayor")
    server.truncate("left")
    with pytest.raises(Crash):
        caught_up(world, on_step=dying_at(step, time))
    caught_up(world)


@pytest.mark.parametrize("step", LOAD_STEPS)
def test_a_load_that_died_at_any_step_goes_on(world, server, step):
    fill(server, "country", *range(7))
    fill(server, "city", *range(5))
    with pytest.raises(Crash):
        caught_up(world, on_step=dying_at(step))
    caught_up(world)


def test_a_load_that_died_goes_on_after_the_last_key_with_the_position_noted_before_it(world, server):
    fill(server, "country", *range(9))
    with pytest.raises(Crash):
        caught_up(world, on_step=dying_at("chunk_saved", 2))
    noted = world.control.saved[0].position
    server.write("country", (0, None, ""), (1, 1, "changed"))
    read: list[int] = []
    whole = server.load
    server.load = lambda *arguments: (read.extend(r["id"] for r in c.rows) or c for c in whole(*arguments))
    caught_up(world)
    assert min(read) == 6
    assert {state.position for state in world.control.saved if state.loading} == {noted}


def test_a_row_that_was_deleted_while_it_was_loaded_stays_deleted(world, server):
    fill(server, "country", *range(5))
    reads = iter([lambda: server.write("country", (1, None, ""), (4, None, ""))])
    server.meanwhile = lambda step: next(reads, nothing)() if step == "select" else None
    caught_up(world)
    assert set(world.items.content()["countries"]) == {"country-0", "country-2", "country-3"}


def test_rows_deleted_while_no_job_looked_are_gone_after_a_reload(world, server):
    fill(server, "country", 1, 2)
    caught_up(world)
    # As after a purge of the binlog: nothing tells that the row is gone.
    del server.rows["country"][1]
    caught_up(world, reload=True)
    assert world.control.saved[-1].generation == 2


def test_another_server_behind_the_name_begins_a_new_generation(world, server):
    fill(server, "country", *range(50))
    caught_up(world)
    world.server = server.fail_over()
    # Its binlog begins at 1 again: by the place in it alone every change would be older than what is there.
    fill(world.server, "country", 1, value="newer")
    caught_up(world)
    assert [state.generation for state in world.control.saved][-1] == 2
    fill(world.server, "country", 2, value="newer")
    caught_up(world)


def test_a_load_after_the_control_table_was_deleted_is_newer_than_what_it_forgot(world, server):
    fill(server, "country", *range(50))
    caught_up(world)
    caught_up(world, reload=True)
    world.control, world.now_ms = Control(), world.now_ms + 3 * 3_600_000
    world.server = server.fail_over()
    fill(world.server, "country", 1, value="newer")
    caught_up(world)


def test_a_reload_that_died_is_not_begun_again_by_the_next_start(world, server):
    fill(server, "country", *range(9))
    caught_up(world)
    with pytest.raises(Crash):
        caught_up(world, reload=True, on_step=dying_at("chunk_saved"))
    caught_up(world)
    assert world.control.saved[-1].generation == 2


def test_what_a_process_writes_behind_the_end_noted_at_its_start_is_written_without_a_condition(world, server):
    fill(server, "country", 1)
    caught_up(world)
    fill(server, "country", 2)
    stop, takes = StopRequest(), 0

    def meanwhile(step: str) -> None:
        nonlocal takes
        takes += step == "take"
        if takes == 3:
            fill(server, "country", 3)
        if takes == 6:
            stop.make()

    world.items.conditional_writes = world.items.plain_writes = 0
    server.meanwhile = meanwhile
    replicate(world.job(), stop, Until())
    assert (world.items.conditional_writes, world.items.plain_writes) == (1, 1)


def test_a_transaction_that_is_larger_than_a_batch_is_read_again_from_its_beginning(world, server):
    caught_up(world)
    server.write("country", *((None, n, "x") for n in range(10)))
    before = world.control.saved[-1].position
    with pytest.raises(Crash):
        caught_up(world, on_step=dying_at("saved", 2))
    assert world.control.saved[-1].position == before
    caught_up(world)
    assert world.control.saved[-1].position.order > before.order


def test_an_updated_key_moves_the_item_and_a_row_index_tells_changes_of_one_event_apart(world, server):
    fill(server, "country", 1, 2)
    caught_up(world)
    server.write("country", (2, 3, "b"), (1, 2, "a"))
    caught_up(world)
    assert set(world.items.content()["countries"]) == {"country-2", "country-3"}


def test_a_row_that_can_not_be_an_item_is_a_dead_letter_and_its_item_is_gone(world, server):
    fill(server, "country", 1, 2)
    caught_up(world)
    fill(server, "country", 1, value="")
    caught_up(world)
    (letter,) = world.letters.written.values()
    assert (letter.table.name, letter.operation, letter.row["id"]) == ("country", "update", 1)
    server.write("country", (1, None, ""))
    caught_up(world)
    assert len(world.letters.written) == 1


def test_a_letter_of_a_row_that_is_loaded_again_is_the_same_one(world, server):
    fill(server, "country", 1, value="")
    caught_up(world)
    fill(server, "city", 1)
    caught_up(world, reload=True)
    assert [name for name in world.letters.written if "load-" in name] == list(world.letters.written)
    assert len(world.letters.written) == 1


def test_without_a_place_for_dead_letters_the_first_one_stops_the_job_and_names_table_and_key(world, server):
    world.letters = None
    fill(server, "country", 1, value="")
    with pytest.raises(SinkError, match=r"table 'shop\.country' row 'id=1'.*dead_letters\.base_path"):
        caught_up(world)


def test_a_batch_is_one_line_of_the_log_without_values(world, server, caplog):
    caught_up(world)
    fill(server, "country", 1, 1, value="sesame")
    with caplog.at_level(logging.INFO, logger="streamjoin"):
        caught_up(world)
    (line,) = [record.getMessage() for record in caplog.records if "changes=" in record.getMessage()]
    assert re.fullmatch(
        r"job=job changes=2 puts=1 deletes=0 superseded=1 dead_letters=0 left_out=0 lag_seconds=2.00 "
        r"position=binlog\.000001:\d+ replay=true seconds=0\.\d{3}",
        line,
    )
    assert "sesame" not in caplog.text


def test_a_run_ends_after_so_many_batches_and_chunks(world, server):
    fill(server, "country", *range(10))
    summary = replicate(world.job(), StopRequest(), Until(batches=2))
    assert (summary.batches, summary.records) == (2, 6)
    caught_up(world)


def test_a_wish_to_stop_is_granted_after_the_batch_in_hand(world, server):
    fill(server, "country", *range(10))
    stop = StopRequest()
    replicate(world.job(), stop, Until(), on_step=lambda step: stop.make())
    assert world.control.saved[-1].loading["shop.country"].rows == 3
    caught_up(world)


def test_a_run_goes_on_and_saves_its_position_while_other_tables_change_without_end(world, server):
    server.create("other")
    caught_up(world)
    start, stop, takes = world.control.saved[-1].position, StopRequest(), 0

    def meanwhile(step: str) -> None:
        nonlocal takes
        takes += step == "take"
        assert takes < 1_000, "neither stopped nor caught up"
        server.write("other", (None, takes, "x"))
        if takes == 500:
            stop.make()

    server.meanwhile = meanwhile
    caught_up(world)
    assert start.order < world.control.saved[-1].position.order
    replicate(world.job(), stop, Until())
    assert takes < 600


def test_an_error_that_passes_is_tried_again_from_what_was_saved(world, server):
    fill(server, "country", *range(7))
    failing = iter([False, True, False, False, True, True])

    def meanwhile(step: str) -> None:
        if next(failing, False):
            raise SourceError("gone away", retryable=True)

    server.meanwhile = meanwhile
    stop = Pauses()
    replicate(world.job(), stop, Until(caught_up=True))
    assert world.items.content() == world.expected()
    assert stop.seconds == [1.0, 1.0, 2.0]


def test_the_lease_is_renewed_while_tables_are_loaded(world, server):
    fill(server, "country", *range(7))
    renewed: set[tuple[str, bool]] = set()
    server.meanwhile = lambda step: renewed.add((step, world.control.is_renewed))
    caught_up(world)
    assert renewed == {("select", True), ("take", False)}


def test_the_lease_is_renewed_while_targets_are_made(world, server, monkeypatch):
    renewed = []
    tables = server.tables

    def listed(selects):
        renewed.append(world.control.is_renewed)
        return tables(selects)

    monkeypatch.setattr(server, "tables", listed)
    for _ in range(2):
        begin(world.job())
    assert (renewed, world.control.is_renewed) == ([True, True], False)


def test_an_error_that_does_not_pass_ends_the_run(world, server):
    def meanwhile(step: str) -> None:
        raise SourceError("gone away", retryable=True)

    server.meanwhile = meanwhile
    stop = Pauses()
    with pytest.raises(SourceError):
        replicate(world.job(), stop, Until(caught_up=True))
    assert stop.seconds == [1.0, 2.0, 4.0, 8.0, 16.0][: MAX_ATTEMPTS - 1]


def test_a_lost_lease_ends_the_run_at_once(world, server):
    fill(server, "country", 1)
    caught_up(world)
    fill(server, "country", 2)

    def at(step: str) -> None:
        world.control.is_lost = True

    with pytest.raises(SinkError, match="another's"):
        caught_up(world, on_step=at)
