"""Which services are due, told by the names in a timeline alone."""

from dataclasses import replace

import pytest

from streamjoin.hudi.services.due import Rhythm, ServiceTimeline, megabytes_of
from streamjoin.hudi.table import HudiTable

TABLE = HudiTable("/lake/t", "t", ("id",), "o", table_type="MERGE_ON_READ", served_by="job")


def instant(number: int) -> str:
    return f"20261130080000{number:03}"


def commits(action: str, *numbers: int) -> list[str]:
    return [f"{instant(n)}.{action}{state}" for n in numbers for state in ("", ".inflight", ".requested")]


def compaction(number: int, *states: str) -> list[str]:
    return [f"{instant(number)}.{state}" for state in ("compaction.requested", *states)]


def test_delta_commits_count_from_the_newest_compaction_on_be_it_planned_only():
    names = ["hoodie.properties", ".aux", *commits("deltacommit", 1, 2, 4, 5, 6)]
    assert ServiceTimeline.of(names).deltas == 5
    planned = ServiceTimeline.of([*names, *compaction(3, "compaction.inflight")])
    assert (planned.deltas, planned.compactions) == (3, (instant(3),))
    done = ServiceTimeline.of([*names, *compaction(3, "compaction.inflight", "commit")])
    assert (done.deltas, done.compactions, done.commits) == (3, (), 6)


def test_commits_count_from_the_newest_cleaning_on_and_what_is_half_done_is_told():
    names = [*commits("commit", 1, 2, 4), f"{instant(3)}.clean", f"{instant(5)}.clean.requested"]
    found = ServiceTimeline.of(names)
    assert (found.uncleaned, found.cleanings, found.commits) == (0, (instant(5),), 3)
    assert ServiceTimeline.of(names[:-1]).uncleaned == 1


def test_a_commit_that_its_writer_has_not_finished_is_told_from_services():
    begun = [f"{instant(7)}.deltacommit.requested", f"{instant(8)}.inflight", f"{instant(9)}.replacecommit.requested"]
    found = ServiceTimeline.of([*commits("deltacommit", 1), *compaction(2), *begun])
    assert found.unfinished == (instant(7), instant(8), instant(9))
    assert found.replacements == (instant(9),)


def test_a_table_is_compacted_cleaned_and_archived_after_so_many_commits_as_its_options_say():
    rhythm = Rhythm.of(TABLE)
    assert (rhythm.compaction, rhythm.cleaning, rhythm.archiving, rhythm.clustering) == (20, 10, 60, False)
    assert rhythm.compacts(ServiceTimeline(deltas=20))
    assert not rhythm.compacts(ServiceTimeline(deltas=19))
    assert not rhythm.compacts(ServiceTimeline(deltas=20, compactions=("1",)))
    assert rhythm.cleans(ServiceTimeline(uncleaned=10))
    assert not rhythm.cleans(ServiceTimeline(uncleaned=10, cleanings=("1",)))
    assert rhythm.archives(ServiceTimeline(commits=61))
    assert not rhythm.archives(ServiceTimeline(commits=60))


@pytest.mark.parametrize(
    ("options", "never"),
    [
        ({"hoodie.compact.inline": "false"}, "compaction"),
        ({"hoodie.clean.automatic": "FALSE"}, "cleaning"),
        ({"hoodie.archive.automatic": "false"}, "archiving"),
    ],
)
def test_what_the_user_has_switched_off_is_never_due(options, never):
    assert getattr(Rhythm.of(replace(TABLE, options=options)), never) is None


def test_the_timeline_is_looked_at_so_often_that_a_service_comes_hardly_late():
    assert Rhythm.of(TABLE).look_every == 5
    assert Rhythm.of(replace(TABLE, options={"hoodie.compact.inline.max.delta.commits": "2"})).look_every == 1
    assert Rhythm.of(replace(TABLE, table_type="COPY_ON_WRITE")).compaction is None


def test_files_are_joined_only_where_neither_a_bucket_nor_our_own_index_says_where_a_row_is():
    wish = {"hoodie.clustering.inline": "true"}
    assert not Rhythm.of(replace(TABLE, options=wish)).clustering
    free = {**wish, "hoodie.index.type": "SIMPLE"}
    assert Rhythm.of(replace(TABLE, options=free, partition_by=("id",))).clustering
    assert not Rhythm.of(replace(TABLE, options=free, partition_by=("dt",))).clustering


def test_hudi_runs_services_in_its_commits_only_of_tables_that_nobody_else_sees_to():
    option = "hoodie.table.services.enabled"
    asked = {by: replace(TABLE, served_by=by).writer_options(1)[option] for by in ("commit", "job", "maintain")}
    assert asked == {"commit": "true", "job": "false", "maintain": "false"}


def test_a_plan_is_as_large_as_its_operations_together():
    assert megabytes_of({"operations": [{"metrics": {"TOTAL_IO_MB": 1.5}}, {"metrics": {}}]}) == 1.5
    assert megabytes_of({}) == 0
