import pytest
from botocore.exceptions import NoCredentialsError
from botocore.parsers import ResponseParserError

from streamjoin.errors import DataLossError, SourceError
from streamjoin.kinesis.pace import SECONDS_BETWEEN_CALLS
from streamjoin.kinesis.shard import ATTEMPTS
from tests.faults.kinesis import client_error, internal_error, timed_out
from tests.unit.kinesis.kinesis_job import Job


@pytest.mark.parametrize("operation", ["GetShardIterator", "GetRecords"])
def test_a_call_of_a_shard_that_fails_is_made_again_after_a_pause(operation):
    job = Job()
    wanted = job.service.put(job.shard)
    job.service.fail(operation, internal_error(), timed_out(), internal_error())
    job.batch()
    assert job.numbers() == [wanted]
    pauses = [seconds for seconds in job.clock.sleeps if seconds > SECONDS_BETWEEN_CALLS]
    assert len(pauses) == 3
    assert pauses == sorted(pauses)


@pytest.mark.parametrize("operation", ["GetShardIterator", "GetRecords"])
@pytest.mark.parametrize("fault", [internal_error(), timed_out(), client_error("ServiceUnavailable", "X", status=503)])
def test_a_shard_that_fails_time_and_again_holds_no_other_up_until_it_fails_the_batch(operation, fault):
    job = Job()
    job.service.fail(operation, *[fault] * ATTEMPTS)
    failing, answers = job.shard, []
    with pytest.raises(SourceError, match=f"'{failing}'") as caught:
        for _ in range(10):
            began = job.clock.monotonic()
            job.batch()
            assert job.clock.monotonic() - began < 5
            answers.append(job.ranges[failing].millis_behind_latest)
            job.clock.pass_seconds(1)
    assert caught.value.retryable
    assert not isinstance(caught.value, DataLossError)
    assert answers
    assert set(answers) == {None}
    assert job.service.times_called(operation) == ATTEMPTS
    wanted = job.service.put(failing)
    job.batch()
    assert job.numbers() == [wanted]


def test_a_shard_that_fails_is_read_while_the_others_go_on():
    job = Job(shards=2)
    failing, fine = sorted(job.service.shards)
    wanted = {job.service.put(failing), job.service.put(fine)}
    real = job.service.get_records
    faults = [internal_error()] * (ATTEMPTS - 1)

    def get_records(**arguments):
        if failing in arguments["ShardIterator"] and faults:
            raise faults.pop()
        return real(**arguments)

    job.service.get_records = get_records
    job.batch()
    assert job.numbers(fine)
    for _ in range(5):
        job.clock.pass_seconds(1)
        job.batch()
    assert set(job.numbers()) == wanted


@pytest.mark.parametrize(
    ("fault", "said"),
    [(internal_error(), "InternalFailure"), (ResponseParserError("<html>"), "could not reach the service")],
)
def test_a_listing_that_fails_may_be_tried_again(fault, said):
    job = Job()
    job.restart()
    job.service.fail("ListShards", fault)
    with pytest.raises(SourceError, match=said) as caught:
        job.batch()
    assert caught.value.retryable


@pytest.mark.parametrize("operation", ["GetShardIterator", "GetRecords"])
def test_an_answer_that_is_none_of_the_service_is_asked_for_again(operation):
    job = Job()
    wanted = job.service.put(job.shard)
    job.service.fail(operation, *[ResponseParserError("<html>a proxy's page</html>")] * (ATTEMPTS - 1))
    for _ in range(ATTEMPTS):
        job.batch()
        job.clock.pass_seconds(10)
    assert job.numbers() == [wanted]


def test_a_process_that_goes_on_after_a_fault_of_its_own_reads_all_shards_again():
    """A worker outlives its task: what a failed reading holds must not keep a shard out of all later batches."""
    job = Job(shards=3)
    wanted = {job.service.put(shard_id) for shard_id in job.service.shards}
    job.service.fail("GetRecords", ZeroDivisionError("a mistake in this program"))
    with pytest.raises(ZeroDivisionError):
        job.batch()
    job.batch()
    assert set(job.numbers()) == wanted
    assert not job.client.readings


def test_an_iterator_that_expires_as_soon_as_it_is_opened_is_a_failure():
    job = Job()
    job.service.put(job.shard)
    expired = client_error("ExpiredIteratorException", "GetRecords")
    job.service.fail("GetRecords", *[expired] * 100)
    with pytest.raises(SourceError, match="opened just now") as caught:
        for _ in range(10):
            job.batch()
            job.clock.pass_seconds(1)
    assert caught.value.retryable
    assert job.service.times_called("GetRecords") == ATTEMPTS


@pytest.mark.parametrize("operation", ["ListShards", "GetShardIterator", "GetRecords"])
def test_access_denied_names_what_to_allow(operation):
    job = Job()
    job.restart()
    job.service.fail(operation, client_error("AccessDeniedException", operation))
    with pytest.raises(SourceError, match="kinesis:GetRecords") as caught:
        job.batch()
    assert not caught.value.retryable


def test_a_missing_stream_is_named_also_when_it_vanishes_while_read():
    job = Job()
    job.batch()
    job.service.exists = False
    for _ in range(2):
        with pytest.raises(SourceError, match=r"'orders' in .* found nothing of this name .*stream_name") as caught:
            job.batch()
        assert not isinstance(caught.value, DataLossError)
        assert not caught.value.retryable
        job.restart()


def test_missing_credentials_stop_the_job_at_once():
    job = Job()
    job.service.fail("GetRecords", NoCredentialsError())
    with pytest.raises(SourceError, match="could not be sent") as caught:
        job.batch()
    assert not caught.value.retryable


def test_a_refused_beginning_of_a_shard_is_an_error_that_says_its_code():
    job = Job()
    job.service.put(job.shard)
    job.batch()
    job.restart()
    refused = client_error("InvalidArgumentException", "GetShardIterator")
    job.service.fail("GetShardIterator", refused, refused)
    with pytest.raises(SourceError, match="InvalidArgumentException"):
        job.batch()


def test_any_other_error_says_its_code():
    job = Job()
    job.service.fail("GetRecords", client_error("KMSDisabledException", "GetRecords", "key is disabled"))
    with pytest.raises(SourceError, match="KMSDisabledException: key is disabled"):
        job.batch()
