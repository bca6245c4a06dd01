"""Keeping count of what is left to rewrite, over the versions of a reference and over restarts."""

from collections.abc import Mapping, Sequence

from streamjoin.dynamodb.stream.stream import ChangeRecord
from streamjoin.reference.followed.index import JoinIndex, Row
from streamjoin.reference.followed.pending import Mark, Pending
from streamjoin.reference.probe import key_text


class Rewrites:
    """What of one reference is left to rewrite.

    Args:
        join_attributes: The attributes of the join key.

    Attributes:
        pending: None before the first version.
    """

    def __init__(self, join_attributes: Sequence[str]) -> None:
        self.pending: Pending | None = None
        self._join_attributes = set(join_attributes)
        self._changed: dict[str, Row] = {}
        self._is_complete = False

    def restore(self, mark: Mark | None, *, is_complete: bool) -> None:
        """Take over what the last commit says.

        Args:
            mark: All rows have at least the values of this version; None: nothing is known of them.
            is_complete: They have its values exactly: nothing was left to rewrite at the last commit.
        """
        if self.pending is None:
            self.pending = Pending(Mark(0, "", 0.0, None)).unknown() if mark is None else Pending(mark)
            self._is_complete = is_complete

    def loaded(self, index: JoinIndex, replayed: Sequence[ChangeRecord] | None) -> None:
        """Find out what changed while no job ran.

        Args:
            index: The reference as it is now.
            replayed: All changes since the mark that was restored; None if they aren't known.
        """
        pending = self.pending
        if pending is None or pending.everything:
            return
        if self._is_complete and pending.rewritten.content_hash == index.content_hash:
            return
        if replayed is None or not all(self._touch(record, index) for record in replayed):
            self.pending = pending.unknown()

    def changed(self, keys: Mapping[str, Row]) -> None:
        """Remember join keys whose row changed, until the version that has the change is noted."""
        self._changed.update(keys)

    def note(self, newest: Mark) -> Pending:
        """Return what is left to rewrite now that `newest` is the reference's version."""
        found = Pending(newest) if self.pending is None else self.pending.noticed(newest, self._changed)
        self.pending, self._changed = found, {}
        return found

    def _touch(self, record: ChangeRecord, index: JoinIndex) -> bool:
        """Remember the join keys that an item had before and after a change; say whether they can be known."""
        images = [image for image in (record.old_image, record.new_image) if image is not None]
        if self._join_attributes <= set(record.keys):
            images = [record.keys]
        elif record.operation != "INSERT" and record.old_image is None:
            return False
        for image in images:
            row = index.row_of(image)
            key = None if row is None else index.join_key(row)
            text = None if key is None else key_text(key)
            if key is not None and text is not None:
                self._changed[text] = key
        return True
