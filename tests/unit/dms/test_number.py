from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamjoin.dms.number import number_text
from streamjoin.dms.rejected import RowRejected

DECIMALS = st.builds(
    lambda digits, exponent: Decimal(digits).scaleb(exponent),
    st.integers(-(10**27), 10**27),
    st.integers(-60, 60),
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (-7, "-7"),
        (2**64 - 1, "18446744073709551615"),
        (Decimal("1.50"), "1.5"),
        (Decimal("-0.00"), "0"),
        (Decimal("100"), "100"),
        (Decimal("0.000001"), "0.000001"),
        (Decimal("9" * 38), "9" * 38),
        (Decimal("9" * 38 + "0"), f"9.{'9' * 37}E+38"),
        (10**37, "1" + "0" * 37),
        (10**38, "1E+38"),
        (1e38, "1E+38"),
        (0.1, "0.1"),
        (5.0, "5"),
        (-0.0, "0"),
        (1e100, "1E+100"),
        (1e-100, "1E-100"),
        ("007", "7"),
        ("+1.50", "1.5"),
        ("1e3", "1000"),
        (".5", "0.5"),
    ],
)
def test_a_number_has_one_text(value, text):
    assert number_text(value, "n") == text


@given(DECIMALS, st.integers(0, 20))
def test_the_text_of_a_number_is_the_number_however_it_is_written(number, zeros):
    text = number_text(number, "n")
    assert Decimal(text) == number
    assert number_text(text, "n") == text
    assert number_text(Decimal(f"{number:f}" + ("." if "." not in f"{number:f}" else "") + "0" * zeros), "n") == text


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e125, max_value=1e125))
def test_a_float_is_kept_so_that_it_reads_back_as_the_same(value):
    if value == 0 or abs(value) >= 1e-129:
        assert float(number_text(value, "n")) == value


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (10**38 + 1, "NUMBER_TOO_PRECISE"),
        (Decimal("1." + "1" * 38), "NUMBER_TOO_PRECISE"),
        (1e126, "NUMBER_OUT_OF_RANGE"),
        (1e-131, "NUMBER_OUT_OF_RANGE"),
        ("1e999999", "NUMBER_OUT_OF_RANGE"),
        ("", "NOT_A_NUMBER"),
        ("twelve", "NOT_A_NUMBER"),
        ("1 000", "NOT_A_NUMBER"),
        ("\N{ARABIC-INDIC DIGIT ONE}", "NOT_A_NUMBER"),
        ("1" * 1001, "NOT_A_NUMBER"),
        ("NaN", "NOT_A_NUMBER"),
        (float("nan"), "NOT_A_NUMBER"),
        (float("-inf"), "NOT_A_NUMBER"),
    ],
)
def test_a_number_that_dynamodb_can_not_keep_is_rejected(value, reason):
    with pytest.raises(RowRejected, match="attribute 'n'") as error:
        number_text(value, "n")
    assert error.value.reason == reason
