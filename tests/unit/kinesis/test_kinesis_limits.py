from streamjoin.kinesis.stream import BatchLimits
from streamjoin.shards.position import ShardRange
from tests.faults.kpl import aggregate
from tests.unit.kinesis.kinesis_job import Job, each_way


@each_way
def test_limits_in_records_are_kept_and_nothing_is_lost_between_batches():
    job = Job(shards=3)
    wanted = {shard_id: job.service.put_many(shard_id, 25) for shard_id in job.service.shards}
    while len(job.rows) < 75:
        assert 0 < job.batch(BatchLimits(10, 1 << 20)).table.num_rows <= 10
    assert {shard_id: job.numbers(shard_id) for shard_id in wanted} == wanted


def test_limits_in_bytes_cut_at_a_record_and_read_the_rest_next():
    job = Job()
    wanted = job.service.put_many(job.shard, 10, b"x" * 100)
    job.batch(BatchLimits(1000, 350))
    assert job.numbers() == wanted[:3]
    assert job.ranges[job.shard] == ShardRange(
        job.shard, wanted[0], wanted[2], 3, 300, False, 200, 1_700_000_000_200, last_arrived_ms=1_700_000_000_000
    )
    while len(job.rows) < 10:
        assert job.batch(BatchLimits(1000, 350)).table.num_rows <= 3
    assert job.numbers() == wanted


def test_a_page_is_not_read_twice_once_the_size_of_records_is_known():
    job = Job()
    job.service.put_many(job.shard, 40, b"x" * 100)
    for _ in range(10):
        job.batch(BatchLimits(1000, 400))
    assert len(job.rows) == 40
    limits = [arguments["Limit"] for operation, arguments, _ in job.service.calls if operation == "GetRecords"]
    assert max(limits[1:]) <= 5


@each_way
def test_a_record_larger_than_the_limit_is_read_alone():
    job = Job()
    wanted = [job.service.put(job.shard, b"x" * 500) for _ in range(3)]
    for count in (1, 2, 3):
        job.batch(BatchLimits(1000, 100))
        assert job.numbers() == wanted[:count]


@each_way
def test_an_aggregated_record_is_read_whole_or_not_at_all():
    job = Job()
    pack = aggregate([(f"k{i}", b"%d" % i) for i in range(4)])
    wanted = [job.service.put(job.shard, pack) for _ in range(3)]
    job.batch(BatchLimits(10, 1 << 20))
    assert job.numbers() == [wanted[0]] * 4 + [wanted[1]] * 4
    assert [row["sub_sequence_number"] for row in job.rows] == [0, 1, 2, 3] * 2
    assert [row["partition_key"] for row in job.rows[:4]] == ["k0", "k1", "k2", "k3"]
    assert job.ranges[job.shard].records == 8
    assert job.position.shards[job.shard].sequence_number == wanted[1]
    job.batch(BatchLimits(10, 1 << 20))
    assert job.numbers()[8:] == [wanted[2]] * 4


@each_way
def test_a_hot_shard_takes_what_the_others_leave_and_starves_none():
    job = Job(shards=4)
    hot, *quiet = sorted(job.service.shards)
    job.service.put_many(hot, 500)
    for shard_id in quiet:
        job.service.put_many(shard_id, 10)
    job.batch(BatchLimits(100, 1 << 20))
    assert {shard_id: len(job.numbers(shard_id)) for shard_id in quiet} == dict.fromkeys(quiet, 10)
    assert 60 <= len(job.numbers(hot)) <= 70


@each_way
def test_a_plan_leaves_most_of_the_limits_to_shards_that_are_behind():
    job = Job(shards=4)
    hot, *quiet = sorted(job.service.shards)
    assert {r.limits.records for r in job.plan(BatchLimits(400, 4000)).reads} == {100}
    job.service.put_many(hot, 500)
    job.clock.pass_seconds(120)
    job.batch(BatchLimits(400, 4000))
    shares = {r.shard_id: r.limits for r in job.plan(BatchLimits(400, 4000)).reads}
    assert shares[hot] == BatchLimits(325, 3250)
    assert {shares[shard_id] for shard_id in quiet} == {BatchLimits(25, 250)}
    for _ in range(9):
        job.batch(BatchLimits(400, 4000))
    assert {r.limits.records for r in job.plan(BatchLimits(400, 4000)).reads} == {100}


def test_a_slow_backlog_ends_at_the_deadline_and_goes_on_next_time():
    job = Job(call_seconds=3.0)
    wanted = job.service.put_many(job.shard, 30)
    job.service.shards[job.shard].empty_pages = 50
    job.batch(BatchLimits(1000, 1 << 20, seconds=10))
    assert job.service.times_called("GetRecords") == 4
    job.service.shards[job.shard].empty_pages = 0
    job.batch()
    assert job.numbers() == wanted


@each_way
def test_every_shard_is_asked_once_also_after_the_deadline():
    job = Job(shards=20)
    wanted = {job.service.put(shard_id) for shard_id in job.service.shards}
    job.batch(BatchLimits(1000, 1 << 20, seconds=0))
    assert set(job.numbers()) == wanted
