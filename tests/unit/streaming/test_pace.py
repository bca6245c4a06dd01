from streamjoin.kinesis.stream import BatchLimits
from streamjoin.streaming.pace import Pace

MIB = 1024 * 1024


def warm(target_seconds: float | None, records: int = 100_000) -> Pace:
    pace = Pace(BatchLimits(records, 256 * MIB), target_seconds)
    for _ in range(2):
        pace.took(records, 1000.0)
    return pace


def test_the_first_batches_of_a_process_say_nothing_about_the_next() -> None:
    assert warm(30).limits.records == 100_000


def test_a_slow_batch_shrinks_the_next_to_what_fits_at_once() -> None:
    pace = warm(30)
    pace.took(100_000, 120.0)
    assert pace.limits.records == 20_000
    assert pace.limits.bytes < 52 * MIB


def test_full_fast_batches_grow_slowly_and_never_beyond_the_configured_limit() -> None:
    pace = warm(30)
    pace.took(100_000, 120.0)
    sizes = []
    for _ in range(12):
        pace.took(pace.limits.records, 1.0)
        sizes.append(pace.limits.records)
    assert sizes[0] == 25_000
    assert sizes == sorted(sizes)
    assert sizes[-1] == 100_000


def test_a_small_batch_that_was_slow_for_another_reason_changes_nothing() -> None:
    pace = warm(30)
    pace.took(50, 60.0)
    assert pace.limits.records == 100_000


def test_a_batch_is_never_made_so_small_that_nothing_moves() -> None:
    pace = warm(1)
    for _ in range(20):
        pace.took(pace.limits.records, 1000.0)
    assert pace.limits.records == 500
    assert pace.limits.bytes == MIB


def test_without_a_target_the_limits_stay_as_configured() -> None:
    pace = warm(None)
    pace.took(100_000, 1000.0)
    assert pace.limits.records == 100_000
