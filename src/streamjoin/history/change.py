"""What it means for a job that its position is set to another."""

from datetime import UTC, datetime

from streamjoin.shards.position import Position, PositionKind, ShardPosition, sequence_order


def describe_change(before: Position, after: Position) -> tuple[str, ...]:
    """Return a line for each shard that moves: from where to where, and which records that skips or reads again."""
    lines = []
    for shard_id in sorted({*before.shards, *after.shards}):
        old, new = before.shards.get(shard_id), after.shards.get(shard_id)
        if old is not None and new is not None and old.place != new.place:
            lines.append(f"shard '{shard_id}': from {_named(old)} to {_named(new)}: {_effect(old, new)}")
        elif old is None and new is not None:
            lines.append(f"shard '{shard_id}': not known before, now at {_named(new)}")
        elif old is not None and new is None and old.kind is not PositionKind.DRAINED:
            lines.append(f"shard '{shard_id}': at {_named(old)}, no longer known: what is left of it is not read")
    return tuple(lines)


def _effect(old: ShardPosition, new: ShardPosition) -> str:
    if new.kind is PositionKind.DRAINED:
        return "what is left of it is skipped"
    if new.kind is PositionKind.TRIM_HORIZON:
        return "every record that the stream still holds is read, also those that were read before"
    if new.kind is PositionKind.AT_TIMESTAMP:
        return f"what arrived before {_moment(new)} and was not read yet is skipped, what arrived later is read again"
    if old.kind is PositionKind.AFTER:
        low, high = sorted((str(old.sequence_number), str(new.sequence_number)), key=sequence_order)
        is_forward = high == new.sequence_number
        return f"the records after {low} up to {high} are {'skipped' if is_forward else 'read again'}"
    if old.kind is PositionKind.DRAINED:
        return f"the records after {new.sequence_number} are read again"
    return f"the records up to {new.sequence_number} are skipped"


def _named(place: ShardPosition) -> str:
    match place.kind:
        case PositionKind.AFTER:
            return f"after {place.sequence_number}"
        case PositionKind.AT_TIMESTAMP:
            return f"what arrives from {_moment(place)} on"
        case PositionKind.TRIM_HORIZON:
            return "its beginning"
        case PositionKind.DRAINED:
            return "its end (drained)"


def _moment(place: ShardPosition) -> str:
    return datetime.fromtimestamp((place.timestamp_ms or 0) / 1000, UTC).isoformat(timespec="milliseconds")
