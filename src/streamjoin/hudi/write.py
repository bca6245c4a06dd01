"""Writes into an Apache Hudi table; the commit carries the batch's metadata, so that both happen or neither."""

from collections.abc import Mapping

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from streamjoin.aws.storage import as_hadoop_path, open_path
from streamjoin.errors import SinkError
from streamjoin.hudi.conflict import INDEX, index_of, note_index
from streamjoin.hudi.late_deletes import NEWEST_ORDER, leave_out_late_deletes
from streamjoin.hudi.placing import Placed, place
from streamjoin.hudi.record_index.index import SEGMENT, RecordIndex
from streamjoin.hudi.record_index.open_files import OPENED
from streamjoin.hudi.repair import repair
from streamjoin.hudi.stored import stored_rows
from streamjoin.hudi.table import DEFAULT_BUCKETS, HudiTable
from streamjoin.hudi.table_folder import clear_unborn, give_properties, is_begun, is_table
from streamjoin.hudi.telling import FIRST_ROWS, HUDI_COLUMNS, TOLD, Telling, files_wanted, opening_rows
from streamjoin.hudi.timeline import COMMIT_METADATA_PREFIX, Timeline, in_turn
from streamjoin.records.change_columns import IS_DELETED
from streamjoin.spark.frames import quoted
from streamjoin.spark.parquet import set_parquet

__all__ = [
    "COMMIT_METADATA_PREFIX",
    "DEFAULT_BUCKETS",
    "HudiTable",
    "bulk_insert",
    "has_commit",
    "root_cause",
    "table_schema",
    "upsert",
    "write",
]

_OF_HUDI = "_hoodie_"

# Fixed when a table is created; Hudi refuses another value later. Instants are times of day: by a local clock they go
# back when summer ends, and when the job moves to a machine in another zone. Then the newest commit would not be the
# last in the timeline.
_CREATION_SETTINGS = {"hoodie.table.timeline.timezone": "UTC"}


def upsert(
    rows: DataFrame,
    table: HudiTable,
    *,
    commit_metadata: Mapping[str, str],
    parallelism: int = 2,
    index: RecordIndex | None = None,
) -> None:
    """Upsert `rows` in one commit that carries `commit_metadata`.

    Columns in: those of the table, with the record key, the partition columns and the ordering field; one row a key.
        With `_hoodie_is_deleted` a row may be a deletion of what is there and not newer, in whatever partition.
        Columns that the table doesn't have are added to it; those that it has beside them become null in these rows.
    Delivery: one commit, or none. Repeating it leaves the same rows: equal ordering replaces a row by itself. An empty
        frame commits too, for its metadata.

    Args:
        rows: The newest event of each record key.
        table: Where they go; created when missing.
        commit_metadata: Texts that are stored in the commit under `streamjoin.<key>`.
        parallelism: Tasks of a shuffle.
        index: Where rows are, if the table has such an index; default: read for this write.

    Raises:
        SinkError: The write failed. Whether the commit happened is known only from the timeline: read it again.
    """
    options, metadata = table.writer_options(parallelism), dict(commit_metadata)
    deletions = 0
    try:
        if table.has_record_index:
            index = index or RecordIndex(table)
            index.follow(rows.sparkSession)
        if index is not None and table.tells_files and index.is_empty:
            # There is nothing to look for. From these rows the index is made.
            rows = rows.where(~F.coalesce(F.col(IS_DELETED), F.lit(False))) if IS_DELETED in rows.columns else rows
            options |= FIRST_ROWS
        elif index is not None:
            placed = _told(rows, table, index, parallelism) if table.tells_files else place(rows, table, index)
            options |= TOLD if table.tells_files else {}
            rows, deletions = placed.rows, placed.deletions
            metadata[SEGMENT] = index.write(placed.entries)
        elif IS_DELETED in rows.columns:
            checked = leave_out_late_deletes(rows, table)
            rows, deletions = checked.rows, checked.deletions
            metadata |= {NEWEST_ORDER: checked.newest_order} if checked.newest_order is not None else {}
        # Without it deletions go into the log without their order, and then no row of their key may follow them there.
        # With it they have one, and then none without may be beside them, as that of a row that Hudi moves away.
        combines = table.merges_on_read and deletions > 0 and not table.keeps_avro_rows
        options["hoodie.combine.before.upsert"] = str(combines).lower()
    except (PySparkException, Py4JError, OSError) as error:
        raise _failed(table, "upsert", error) from error
    write(rows, table, options, metadata)


def _told(rows: DataFrame, table: HudiTable, index: RecordIndex, parallelism: int) -> Placed:
    missing = [name for name in index.columns if name not in {*rows.columns, *HUDI_COLUMNS}]
    if missing and (stored := _stored_schema(rows.sparkSession, table)) is not None:
        rows = rows.withColumns({name: F.lit(None).cast(stored[name].dataType) for name in missing})
    telling = Telling(rows, table, index)
    wanted = files_wanted(telling.new_rows, parallelism)
    if len(index.open_files.fullest(wanted)) < wanted:
        opening, options = opening_rows(rows, table, wanted)
        write(opening, table, {**table.writer_options(1), **options}, {OPENED: str(wanted), SEGMENT: ""})
        index.follow(rows.sparkSession)
    return telling.placed(index.open_files.fullest(wanted))


def bulk_insert(rows: DataFrame, table: HudiTable, *, commit_metadata: Mapping[str, str], parallelism: int) -> None:
    """Write `rows` in the first commit of a table: without an index, and sorted in place of looked up.

    Where rows may go to any file, those that changed at about the same time are in the same one: a batch, whose rows
    are mostly recent, writes few files again. Elsewhere rows are in the order of their keys.

    Columns in: as `upsert`; one row a key, none of them a deletion.
    Delivery: one commit, or none; what a dead process left of it is rolled back by the next write. Later upserts find
        the rows: under a bucket index each bucket is one file group, as an upsert would have made it.

    Args:
        rows: One row a record key.
        table: Where they go; created when missing.
        commit_metadata: As in `upsert`.
        parallelism: Tasks that write, if there is no bucket index.

    Raises:
        SinkError: The table has a commit: rows could be there twice. Or the write failed, as in `upsert`.
    """
    if has_commit(table.base_path):
        message = (
            f"table '{table.table_name}' at {table.base_path}: a bulk insert is for a table without any commit, found "
            "some; upsert the rows"
        )
        raise SinkError(message)
    if table.tells_files:
        # By their keys too: of many rows of one moment there are many files.
        order = [quoted(column) for column in (table.ordering, *table.record_key)]
        rows = rows.repartitionByRange(parallelism, *order).sortWithinPartitions(*order)
    options = {
        "hoodie.bulkinsert.sort.mode": "NONE" if table.tells_files else "GLOBAL_SORT",
        **table.writer_options(parallelism),
        "hoodie.datasource.write.operation": "bulk_insert",
        "hoodie.combine.before.insert": "false",
    }
    write(rows, table, options, commit_metadata)


def write(rows: DataFrame, table: HudiTable, options: Mapping[str, str], commit_metadata: Mapping[str, str]) -> None:
    """Let Hudi make one commit of `rows`.

    Args:
        rows: As the operation among the options takes them.
        table: Where they go; created when missing.
        options: All of Hudi's options.
        commit_metadata: As in `upsert`.

    Raises:
        SinkError: The write failed. Whether the commit happened is known only from the timeline: read it again.
    """
    said = {**commit_metadata, INDEX: index_of(table)}
    metadata = {f"{COMMIT_METADATA_PREFIX}{key}": value for key, value in said.items()}
    # A column that can't be null could never be added to a table that has rows.
    nullable = [
        F.when(F.lit(True), F.col(f"`{f.name}`")).alias(f.name) if not f.nullable else F.col(f"`{f.name}`")
        for f in rows.schema
    ]
    rows = rows.select(*nullable)
    try:
        is_new = not is_table(table.base_path)
        if is_new and is_begun(table.base_path):
            give_properties(table, lambda pattern: _create(rows.limit(0), pattern, pattern.writer_options(1)))
            is_new = False
        (_create if is_new else _save)(rows, table, {**options, **metadata})
        note_index(table)
    except (PySparkException, Py4JError, OSError) as error:
        raise _failed(table, options["hoodie.datasource.write.operation"].replace("_", " "), error) from error


def _create(rows: DataFrame, table: HudiTable, options: Mapping[str, str]) -> None:
    _save(rows, table, {**options, **_CREATION_SETTINGS})


def _save(rows: DataFrame, table: HudiTable, options: Mapping[str, str]) -> None:
    set_parquet(rows.sparkSession)
    with in_turn(table.base_path):
        rows.write.format("hudi").options(**options).mode("append").save(as_hadoop_path(table.base_path))


def has_commit(base_path: str) -> bool:
    """Say whether anything was ever committed to the table.

    Raises:
        SinkError: Its timeline can't be read.
    """
    return bool(Timeline.read(*open_path(base_path)).commits)


def table_schema(spark: SparkSession, table: HudiTable) -> T.StructType | None:
    """Return the table's columns without those that begin with `_hoodie_`; None if nothing was committed yet.

    Raises:
        SinkError: It can't be read.
    """
    stored = _stored_schema(spark, table)
    return stored and T.StructType([field for field in stored.fields if not field.name.startswith(_OF_HUDI)])


def _stored_schema(spark: SparkSession, table: HudiTable) -> T.StructType | None:
    if not has_commit(table.base_path):
        return None
    try:
        return stored_rows(spark, table.base_path).schema
    except (PySparkException, Py4JError) as error:
        message = f"table '{table.table_name}' at {table.base_path}: its columns can't be read: {root_cause(error)}"
        raise SinkError(message, retryable=True) from error


def _failed(table: HudiTable, action: str, error: Exception) -> SinkError:
    message = f"table '{table.table_name}' at {table.base_path}: the {action} failed: {root_cause(error)}"
    return SinkError(message + _cleared(table.base_path), retryable=True)


def _cleared(base_path: str) -> str:
    """Remove what would make the next try fail too; return what to add to the message if that isn't possible."""
    try:
        clear_unborn(base_path)
        repair(base_path)
    except (OSError, SinkError) as error:
        return f"; and what it left can't be looked at: {error}"
    return ""


def root_cause(error: Exception) -> str:
    """Return the first line of the innermost cause that Java gave, without its stack.

    Of what Spark raises while it computes rows only the error's class: its text quotes their values.
    """
    java = getattr(error, "java_exception", None)
    while java is not None:
        name = str(java.getClass().getName())
        if name.startswith("org.apache.spark.Spark") and java.getErrorClass() is not None:
            return f"{name}: [{java.getErrorClass()}]"
        if java.getCause() is None:
            break
        java = java.getCause()
    text = str(java.toString()) if java is not None else str(error)
    return (text.strip() or type(error).__name__).splitlines()[0][:500]
