"""Polls of a table's stream: shards, pages, listings, iterators."""

from tests.faults.kinesis import client_error
from tests.unit.dynamodb.stream.stream_job import HOUR_SECONDS, Job


def test_a_drained_shards_children_are_read_in_the_same_poll():
    job = Job()
    job.put("IN")
    first = job.shard
    job.table.split(first)
    job.put("FR", "DE", "ES", "IT")
    for shard_id in job.table.open_shards():
        job.table.rotate(shard_id)
    job.put("PT", "NL")
    polled = job.poll()
    assert polled.at_tip
    assert job.codes(polled)[0] == "IN"
    assert sorted(job.codes(polled)[1:]) == ["DE", "ES", "FR", "IT", "NL", "PT"]
    assert job.places()[first] == "DRAINED"
    assert job.table.times_called("DescribeStream") == 3


def test_a_drained_shard_is_not_asked_again():
    job = Job()
    first = job.shard
    job.table.rotate(first)
    job.poll()
    asked = job.table.times_called("GetRecords", ShardId=first)
    job.poll()
    job.poll()
    assert job.table.times_called("GetRecords", ShardId=first) == asked


def test_without_a_change_a_poll_is_one_request_a_shard_and_lists_nothing():
    job = Job(shards=3)
    job.poll()
    before = len(job.table.calls)
    for _ in range(5):
        assert job.poll().at_tip
    assert [operation for operation, _ in job.table.calls[before:]] == ["GetRecords"] * 15


def test_shards_are_listed_again_after_a_minute_and_when_one_was_drained():
    job = Job()
    job.poll()
    assert job.table.times_called("DescribeStream") == 1
    job.clock.advance(59)
    job.poll()
    assert job.table.times_called("DescribeStream") == 1
    job.clock.advance(1)
    job.poll()
    assert job.table.times_called("DescribeStream") == 2
    job.table.rotate(job.shard)
    job.poll()
    assert job.table.times_called("DescribeStream") == 3


def test_a_clock_that_was_set_back_lists_again_without_waiting_for_the_old_time():
    job = Job()
    job.poll()
    job.clock.advance(-7 * HOUR_SECONDS)
    before = job.clock()
    job.poll()
    assert job.table.times_called("DescribeStream") == 2
    assert job.clock() - before < 1


def test_a_listing_of_many_pages_is_read_whole_and_no_faster_than_ten_a_second():
    job = Job(shards=250)
    assert job.table.times_called("DescribeStream") == 3
    assert len(job.places()) == 250
    job.put(*range(500))
    assert len(job.poll().records) == 500
    began = job.clock()
    for _ in range(4):
        job.clock.advance(60)
        job.poll()
    assert job.table.times_called("DescribeStream") == 15
    assert job.clock() - began - 240 >= 0.8 - 1e-6


def test_a_shard_is_at_its_tip_after_so_many_empty_pages():
    job = Job()
    job.put("IN")
    job.table.empty_pages[job.shard] = 2
    impatient = job.poll()
    assert (impatient.records, impatient.at_tip) == ((), True)
    job.table.empty_pages[job.shard] = 2
    assert job.codes(job.poll(patience=3)) == ["IN"]


def test_empty_pages_count_only_in_a_row():
    job = Job()
    real = job.table.get_records
    job.put(*range(4))

    def sparse(**request):
        answer = real(**{**request, "Limit": 1})
        job.table.empty_pages[job.shard] = len(answer["Records"])
        return answer

    job.table.get_records = sparse
    assert len(job.poll(patience=2).records) == 4


def test_a_closed_shard_is_read_past_empty_pages_to_its_end():
    job = Job()
    job.put("IN")
    job.table.rotate(job.shard)
    job.put("FR")
    job.restart()
    job.table.empty_pages[job.shard] = 5
    assert job.codes(job.poll()) == ["IN", "FR"]


def test_a_closed_shard_that_does_not_end_is_no_tip():
    job = Job()
    first = job.shard
    job.table.rotate(first)
    job.restart()
    job.table.empty_pages[first] = 10_000
    before = job.table.times_called("GetRecords")
    assert not job.poll().at_tip
    assert job.table.times_called("GetRecords") - before <= 25


def test_children_that_a_listing_does_not_name_yet_are_waited_for():
    job = Job()
    second = job.table.rotate(job.shard)
    job.put("IN")
    job.table.hidden[second] = 2
    polled = job.poll()
    assert (job.codes(polled), polled.at_tip) == (["IN"], True)


def test_without_its_children_a_drained_shard_is_no_tip():
    job = Job()
    second = job.table.rotate(job.shard)
    job.table.hidden[second] = 99
    before = job.table.times_called("DescribeStream")
    assert not job.poll().at_tip
    assert job.table.times_called("DescribeStream") - before <= 4
    job.put("IN")
    job.table.hidden.clear()
    polled = job.poll()
    assert (job.codes(polled), polled.at_tip) == (["IN"], True)


def test_a_drained_shard_without_children_after_a_minute_has_none():
    job = Job(shards=2)
    job.table.hidden[job.table.rotate(job.shard)] = 99
    assert not job.poll().at_tip
    job.clock.advance(61)
    assert job.poll().at_tip


def test_shards_are_listed_again_when_there_is_none_to_read():
    job = Job()
    job.table.hidden[job.table.rotate(job.shard)] = 99
    job.poll()
    job.clock.advance(61)
    job.poll()
    job.table.hidden.clear()
    job.put("IN")
    assert job.codes(job.poll()) == ["IN"]


def test_iterators_that_expired_are_opened_again_at_the_place():
    job = Job(shards=2)
    job.put(*range(10))
    assert len(job.poll().records) == 10
    job.table.expire_iterators()
    job.put("IN")
    polled = job.poll()
    assert (job.codes(polled), polled.at_tip, polled.error) == (["IN"], True, None)
    assert job.table.times_called("GetShardIterator", ShardIteratorType="AFTER_SEQUENCE_NUMBER") == 2


def test_iterators_last_a_quarter_of_an_hour():
    job = Job()
    job.put("IN")
    job.poll()
    job.clock.advance(16 * 60)
    job.put("FR")
    assert job.codes(job.poll()) == ["FR"]


def test_a_shard_that_gave_nothing_is_read_again_from_its_trim_horizon_when_its_iterator_expired():
    job = Job(scan=False)
    job.put("before")
    job.stream.start_at_tip()
    job.put("IN")
    job.table.expire_iterators()
    assert job.codes(job.stream.poll()) == ["before", "IN"]


def test_an_iterator_that_expires_at_once_is_an_error_that_may_pass():
    job = Job()
    job.put("IN")
    job.fail(client_error("ExpiredIteratorException", "GetRecords"))
    polled = job.poll()
    assert polled.error is not None
    assert polled.error.retryable
    assert "expected 15 minutes" in str(polled.error)
    job.heal()
    assert job.codes(job.poll()) == ["IN"]
