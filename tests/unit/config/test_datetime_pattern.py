import pytest

from streamjoin.config.datetime_pattern import formatting_problems, parsing_problems


@pytest.mark.parametrize(
    "pattern",
    [
        "M/d/yy",
        "yyyy-MM-dd",
        "yyyy-MM-dd HH:mm:ss",
        "yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
        "yyyyMMddHHmm",
        "yyyyMMddHHmmss",
        "HH:mm dd/MM/yyyy",
        "mm:HH dd.MM.yyyy",
        "dd MMM yyyy hh:mm a",
        "yyyyDDD",
        "yyyy-MM-dd[ HH:mm[:ss]]",
        "yyyy 'in mm of YYYY' MM",
        "yyyy-MM-dd HH:mm VV",
    ],
)
def test_a_pattern_that_reads_a_time_passes(pattern):
    assert parsing_problems(pattern) == []


@pytest.mark.parametrize(
    ("pattern", "advice"),
    [
        ("yyyy-mm-dd", "'mm' is minutes; use MM for the month"),
        ("mm/dd/yyyy", "use MM for the month"),
        ("yyyymmdd", "use MM for the month"),
        ("m/d/yy", "'m' is minutes; use M for the month"),
        ("yyyy-mm", "use MM for the month"),
        ("yyyy-mm-dd HH:mm:ss", "use MM for the month"),
        ("yyyy-MM-dd HH:MM:ss", "'MM' is the month; use mm for minutes"),
        ("yyyy-MM-dd HH:MM", "'MM' is the month; use mm for minutes"),
        ("YYYY-MM-dd", "'YYYY' is the year of a week, which differs at the turn of the year; use yyyy"),
        ("yyyy-MM-DD", "'DD' is the day of the year; use dd for the day of the month"),
        ("DD/mm/yyyy", "use dd for the day of the month"),
        ("yyyyDD", "use dd for the day of the month"),
        ("yyyy-MM-dd HH:mm:SS", "use ss for seconds"),
        ("yyyy-MM-dd hh:mm", "'h' is the 12-hour clock and needs 'a'"),
        ("HH:mm", "there is no year; use y"),
        ("yyyy-MM-ddTHH:mm", "'T' is not a pattern letter; put text in single quotes"),
        ("yyyy-MM-dd u", "'u' is a letter that Spark refuses"),
        ("EEE yyyy-MM-dd", "'E' is a letter that Spark refuses"),
        ("yyyy-MM-ddd", "'ddd' is too long: at most 2 of 'd'"),
        ("yyyy-MM-dd 'at", "a single quote is not closed"),
        ("yyyy-MM-dd [HH", "the brackets of an optional part don't match"),
        ("yyyy]MM[", "the brackets of an optional part don't match"),
        ("yyyy#MM", "'#' is reserved"),
        ("yyyy V", "use VV"),
        (" ", "it is empty"),
    ],
)
def test_a_pattern_that_reads_something_else_is_explained(pattern, advice):
    assert advice in "; ".join(parsing_problems(pattern))


@pytest.mark.parametrize("pattern", ["yyyyMMdd", "yyyy-MM", "HH", "EEE", "yyyy-'Q'Q", "hh"])
def test_a_pattern_that_writes_a_partition_passes(pattern):
    assert formatting_problems(pattern) == []


@pytest.mark.parametrize("pattern", ["yyyymmdd", "YYYY", "yyyy-ww", "yyyy/mm/dd", "ddd"])
def test_a_pattern_that_writes_something_else_is_explained(pattern):
    assert formatting_problems(pattern) != []
