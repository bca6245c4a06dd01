"""Options of Hudi that a configuration may set, and those by which a job would leave its table."""

import pytest

FAMILIES = [
    ("hoodie.archivelog.folder", "below sink.hudi.base_path"),
    ("hoodie.aws.dynamodb.region", "those of the SDK"),
    ("hoodie.bootstrap.base.path", "a table of files from elsewhere"),
    ("hoodie.clustering.plan.strategy.class", "code that Hudi would load"),
    ("hoodie.compaction.strategy", "code that Hudi would load"),
    ("hoodie.datasource.hive_sync.jdbcurl", "sink.hudi.catalog"),
    ("hoodie.datasource.meta.sync.enable", "sink.hudi.catalog"),
    ("hoodie.errortable.base.path", "dead_letters.base_path"),
    ("hoodie.filesystem.view.rocksdb.base.path", "stays in memory"),
    ("hoodie.index.hbase.zkquorum", "a service that Hudi would call"),
    ("hoodie.memory.spillable.map.path", "below sink.hudi.base_path"),
    ("hoodie.meta.sync.client.tool.class", "sink.hudi.catalog"),
    ("hoodie.metrics.pushgateway.host", "set metrics instead"),
    ("hoodie.precommit.validators", "code that Hudi would load"),
    ("hoodie.rollback.instant.backup.dir", "below sink.hudi.base_path"),
    ("hoodie.table.service.manager.uris", "a service that Hudi would call"),
    ("hoodie.timeline.history.path", "below sink.hudi.base_path"),
    ("hoodie.write.commit.callback.http.url", "call a service after each commit"),
    ("hoodie.write.lock.provider", "streamjoin's own lock"),
    # Not of this Hudi, but of another.
    ("hoodie.some.later.output.location", "below sink.hudi.base_path"),
    ("hoodie.some.later.thing.impl", "code that Hudi would load"),
]
ALLOWED = [
    "hoodie.bucket.index.num.buckets",
    "hoodie.clean.commits.retained",
    "hoodie.cleaner.commits.retained",
    "hoodie.compact.inline.max.delta.commits",
    "hoodie.embed.timeline.server.port",
    "hoodie.index.type",
    "hoodie.keep.max.commits",
    "hoodie.parquet.max.file.size",
    "hoodie.simple.index.update.partition.path",
    "hoodie.write.markers.type",
]


@pytest.mark.parametrize(("option", "reason"), FAMILIES)
def test_an_option_by_which_hudi_would_leave_the_table_is_refused_with_the_reason(problems, option, reason):
    (line,) = problems({"sink.hudi.options": {option: "x"}})
    assert line.startswith(f"sink.hudi.options['{option}']: found '{option}'; this option ")
    assert reason in line


@pytest.mark.parametrize("option", ALLOWED)
def test_options_that_stay_in_the_table_are_allowed(problems, option):
    assert problems({"sink.hudi.options": {option: "1"}}) == []


def test_an_option_in_upper_case_can_not_take_the_place_of_another(problems):
    (line,) = problems({"sink.hudi.options": {"hoodie.Index.type": "BLOOM"}})
    assert "in lower case" in line


def test_the_older_name_of_an_option_is_refused_as_the_newer_is(problems):
    (line,) = problems({"sink.hudi.options": {"hoodie.datasource.write.storage.type": "MERGE_ON_READ"}})
    assert line.endswith("set sink.hudi.table_type instead")


SERVICES = [
    ({"hoodie.compact.inline.max.delta.commits": "often"}, "job", "allowed: a whole number from 1 on"),
    ({"hoodie.clean.max.commits": "0"}, "job", "allowed: a whole number from 1 on"),
    ({"hoodie.compact.inline": "false"}, "maintain", "nothing would do it"),
    ({"hoodie.clean.automatic": "false"}, "maintain", "nothing would do it"),
    ({"hoodie.clustering.inline": "true", "hoodie.index.type": "SIMPLE"}, "maintain", "joins small files without it"),
    ({"hoodie.clustering.inline": "true"}, "job", "under a bucket index each bucket is one file"),
]


@pytest.mark.parametrize(("options", "by", "reason"), SERVICES)
def test_options_of_services_that_contradict_who_sees_to_the_table_are_refused(problems, options, by, reason):
    (line,) = problems({"sink.hudi.options": options, "sink.hudi.table_services": by})
    assert line.startswith(f"sink.hudi.options['{next(iter(options))}']: found ")
    assert reason in line


def test_options_of_services_that_go_together_are_allowed(problems):
    switched_off = {"hoodie.compact.inline": "false", "hoodie.clean.automatic": "false"}
    assert problems({"sink.hudi.options": switched_off}) == []
    joined = {"hoodie.clustering.inline": "true", "hoodie.index.type": "SIMPLE"}
    assert problems({"sink.hudi.options": joined, "sink.hudi.table_services": "job"}) == []
    assert problems({"sink.hudi.table_services": "maintain"}) == []


def test_what_says_that_services_run_elsewhere_is_refused_by_the_key_that_does(problems):
    (line,) = problems({"sink.hudi.options": {"hoodie.compact.schedule.inline": "true"}})
    assert "sink.hudi.table_services says who sees to the table" in line
