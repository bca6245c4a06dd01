"""Why a row can't be an item."""

from enum import StrEnum


class RowRejectReason(StrEnum):
    """What an item is not allowed to be; the words stand in dead letters."""

    MISSING_KEY = "MISSING_KEY"
    EMPTY_KEY = "EMPTY_KEY"
    KEY_TOO_LONG = "KEY_TOO_LONG"
    NOT_A_NUMBER = "NOT_A_NUMBER"
    NUMBER_TOO_PRECISE = "NUMBER_TOO_PRECISE"
    NUMBER_OUT_OF_RANGE = "NUMBER_OUT_OF_RANGE"
    NOT_A_BOOLEAN = "NOT_A_BOOLEAN"
    NOT_TEXT = "NOT_TEXT"
    ITEM_TOO_LARGE = "ITEM_TOO_LARGE"


class RowRejected(ValueError):
    """A row that DynamoDB would not take as an item, or that the mapping makes none of.

    Args:
        reason: The kind of trouble.
        detail: Which attribute, what is allowed and what to do; never a value of the row.
    """

    def __init__(self, reason: RowRejectReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = str(reason)
        self.detail = detail
