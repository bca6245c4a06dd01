"""The columns that a change of an item has on its way into a table, and those that it leaves there."""

from typing import Final

ITEM_KEY: Final = "_item_key"
"""Text of the item's primary key: the record key of a table of layout `current`."""
CHANGE_ID: Final = "_change_id"
"""What one change is known by, however often it is delivered: the record key of a table of layout `changelog`."""
ORDER: Final = "_order"
"""Text whose order is that of an item's changes: creation time, then sequence number. Hudi's ordering field."""
ATTRIBUTES: Final = "_attributes"
"""JSON object of the attributes that have no column."""
IS_DELETED: Final = "_hoodie_is_deleted"
"""Whether Hudi deletes the row."""
TABLE: Final = "_table"
"""Name of the DynamoDB table; only on the way."""
CHANGE: Final = "_change"
"""The change's keys and images, packed; only on the way."""

OPERATION: Final = "operation"
CHANGED_AT: Final = "changed_at"
KEYS: Final = "keys"
NEW_IMAGE: Final = "new_image"
OLD_IMAGE: Final = "old_image"
REMOVED_BY: Final = "removed_by"
CHANGELOG_COLUMNS: Final = (OPERATION, CHANGED_AT, KEYS, NEW_IMAGE, OLD_IMAGE, REMOVED_BY)

INSERT: Final = "INSERT"
MODIFY: Final = "MODIFY"
REMOVE: Final = "REMOVE"

USER: Final = "user"
TTL: Final = "ttl"

RESERVED_FOR_CHANGES: Final = frozenset({ITEM_KEY, CHANGE_ID, ORDER, ATTRIBUTES, IS_DELETED, TABLE, CHANGE})
"""Names that no attribute's column may have, in either layout, nor any that begins with `_hoodie_`."""
