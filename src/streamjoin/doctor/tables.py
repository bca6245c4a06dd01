"""The Hudi tables of a job: what they were made as, who can read that, and whether their files fit their rows."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from streamjoin.backfill.config.backfill import BackfillConfig
from streamjoin.capture.config.capture import CaptureConfig
from streamjoin.doctor.context import Context
from streamjoin.doctor.finding import Finding, bad, divided, good, unknown
from streamjoin.doctor.sizes import text_bytes
from streamjoin.enrich.config.enrich import EnrichConfig
from streamjoin.hudi.table_folder import properties_of
from streamjoin.rendering import counted

if TYPE_CHECKING:
    from streamjoin.hudi.table import HudiTable

# Source: Hudi 1.0.2, HoodieTableVersion: 6 is what 0.14 and 0.15 write.
_VERSION: Final = "6"
# Source: Hudi 1.0.2, KeyGeneratorType.
_GENERATORS: Final = {
    "NonpartitionedKeyGenerator": "NON_PARTITION",
    "SimpleKeyGenerator": "SIMPLE",
    "CustomKeyGenerator": "CUSTOM",
}
_LOG_BLOCKS: Final = "hoodie.logfile.data.block.format"
_ANEW: Final = "Give another base_path, where a new table begins, and fill it from the stream or by a backfill."
# A file of so many rows takes seconds to be written again: twice what a bucket is planned for.
_MOST_ROWS_A_FILE: Final = 4_000_000
_SMALL_BYTES: Final = 1024**2
_MANY_FILES: Final = 1_000


def properties(context: Context) -> Iterator[Finding]:
    """Compare what each table was made as with the configuration."""
    for table in hudi_tables(context):
        there = properties_of(table.base_path)
        what = _name(table)
        if there is None:
            yield good(what, f"no table yet: the first commit makes it, of table version {_VERSION}")
            continue
        yield _version(what, there)
        yield _key_generator(what, table, there)
    conflicting = list(_conflicts(context))
    for line in conflicting:
        key, _, said = line.partition(": ")
        found, remedy = divided(said)
        yield bad(key, found, remedy or _ANEW)
    if not conflicting:
        yield good(
            "settings of tables", "record key, ordering, partition fields, type, name and index are as configured"
        )


def readers(context: Context) -> Iterator[Finding]:
    """Say whether Athena, Redshift Spectrum and Trino read each table as it is, or as it will be made."""
    for table in hudi_tables(context):
        what, there = _name(table), properties_of(table.base_path) or {}
        version = there.get("hoodie.table.version", _VERSION)
        if not (version.isdigit() and int(version) <= int(_VERSION)):
            yield bad(f"{what}, readers", f"table version {version}: neither Athena nor Trino 476 reads it", _ANEW)
            continue
        if there.get("hoodie.table.metadata.partitions"):
            yield bad(
                f"{what}, readers",
                "it has a metadata table, which no commit of streamjoin keeps: who reads by it misses rows",
                "Let readers list files (hudi.metadata-listing-enabled=false), or delete .hoodie/metadata.",
            )
        yield from _log_blocks(context, what, table)
        merged = table.merges_on_read
        late = "; rows since the last compaction: in the entry _rt" if merged else ""
        yield good(f"{what}, Athena", f"read as table version {version}{late}")
        late = ", as of the last compaction of each file" if merged else ""
        yield good(f"{what}, Trino", f"read by Trino 476{late}")
        if merged:
            found = "AWS names copy-on-write tables alone: rows since the last compaction are not seen"
            remedy = "Read it by Athena, or set table_type: COPY_ON_WRITE of a new table."
        else:
            found = "AWS names copy-on-write tables of Hudi; those of table version 6 weren't tried there"
            remedy = "Try a query there before you rely on it."
        yield unknown(f"{what}, Redshift Spectrum", found, remedy)


def files(context: Context) -> Iterator[Finding]:
    """Compare index, buckets and promises of each table with its files and rows."""
    for table in hudi_tables(context):
        what = _name(table)
        found = context.files_of(table.base_path)
        index = _index(table)
        if not found.base:
            yield good(f"{what}, files", f"no base file yet; {index}")
            continue
        rows, largest = found.rows(), found.rows_of_largest
        text = (
            f"{counted(len(found.base), 'file')}, about {counted(rows, 'row')}, the largest with {largest:,} and "
            f"{text_bytes(found.largest.size)}; {index}"
        )
        if largest > _MOST_ROWS_A_FILE:
            yield bad(
                f"{what}, files",
                f"{text}: each batch that touches it writes it again",
                f"Begin a new table with expected_rows: {_rounded(rows * 2)}, which decides its buckets or file sizes.",
            )
        elif len(found.base) > _MANY_FILES and found.bytes / len(found.base) < _SMALL_BYTES:
            yield bad(
                f"{what}, files",
                f"{text}: on average below 1 MiB, so that queries open files more than they read them",
                "Take coarser partitions for a new table, or fewer buckets: set expected_rows as large as it will be.",
            )
        else:
            yield good(f"{what}, files", text)
        yield from _promises(what, table, rows)


def hudi_tables(context: Context) -> "Iterator[HudiTable]":
    """Yield the tables that the job writes rows to, each with the index that it was made with."""
    config = context.config
    if isinstance(config, EnrichConfig):
        from streamjoin.enrich.assembly import hudi_table  # noqa: PLC0415  (it imports pyspark, which may be missing)

        yield hudi_table(config)
    elif isinstance(config, CaptureConfig):
        from streamjoin.capture.job import assemble  # noqa: PLC0415  (likewise)

        yield from assemble(config).tables.hudi_tables()
    elif isinstance(config, BackfillConfig):
        yield _backfilled(config)


def _backfilled(config: BackfillConfig) -> "HudiTable":
    from streamjoin.capture.layout import capture_layout, hudi_table  # noqa: PLC0415  (likewise)

    settings = config.tables[0]
    return hudi_table(settings, capture_layout(settings, settings.fixed_partition))


def _conflicts(context: Context) -> Iterator[str]:
    """Yield what a start would refuse, in its own words."""
    from streamjoin.hudi.conflict import conflicts  # noqa: PLC0415
    from streamjoin.letters.table import DeadLetters  # noqa: PLC0415  (likewise)

    config = context.config
    if isinstance(config, CaptureConfig):
        from streamjoin.capture.job import assemble  # noqa: PLC0415  (likewise)

        job = assemble(config)
        yield from (*job.tables.conflicts(), *job.dead_letters.conflicts())
        return
    at = "tables[0]" if isinstance(config, BackfillConfig) else ""
    keys = {"at": f"{at}.sink.hudi", "rows": f"{at}.layout"} if at else {}
    for table in hudi_tables(context):
        yield from conflicts(table, **keys)
        assert isinstance(config, EnrichConfig | BackfillConfig)  # noqa: S101  (replicate has no table)
        owner = (config.name, table.base_path)
        yield from DeadLetters.of(config.dead_letters, table.table_name, owner).conflicts()


def _version(what: str, there: Mapping[str, str]) -> Finding:
    found = there.get("hoodie.table.version", "none")
    if found == _VERSION:
        return good(f"{what}, version", f"table version {_VERSION}")
    return bad(f"{what}, version", f"table version {found}; streamjoin writes version {_VERSION} alone", _ANEW)


def _key_generator(what: str, table: "HudiTable", there: Mapping[str, str]) -> Finding:
    configured = table.writer_options(1)["hoodie.datasource.write.keygenerator.class"].rpartition(".")[2]
    expected = _GENERATORS[configured]
    by_class = there.get("hoodie.table.keygenerator.class", "").rpartition(".")[2]
    found = there.get("hoodie.table.keygenerator.type") or _GENERATORS.get(by_class, by_class) or "none"
    if found.removesuffix("_AVRO") == expected:
        return good(f"{what}, key generator", found)
    why = "; its keys are written in another form, so that rows would be there twice"
    return bad(f"{what}, key generator", f"{found}; expected {expected}{why}", _ANEW)


def _log_blocks(context: Context, what: str, table: "HudiTable") -> Iterator[Finding]:
    if not table.merges_on_read:
        return
    wanted = table.options.get(_LOG_BLOCKS, "avro").lower()
    seen = context.files_of(table.base_path).log_block()
    if wanted != "avro":
        remedy = f"Leave {_LOG_BLOCKS} out of sink.hudi.options: Avro is what readers of Hudi 0.15 were seen to read."
        yield bad(f"{what}, log blocks", f"{wanted}, as configured", remedy)
    elif seen not in (None, "avro", "deletes"):
        yield bad(f"{what}, log blocks", f"{seen}, in its newest log", "Compact the table: streamjoin maintain CONFIG.")
    else:
        yield good(f"{what}, log blocks", "avro")


def _promises(what: str, table: "HudiTable", rows: int) -> Iterator[Finding]:
    if table.expected_rows is not None:
        text = f"about {rows:,} rows, promised {table.expected_rows:,}"
        if rows > 2 * table.expected_rows:
            remedy = f"Begin a new table with expected_rows: {_rounded(rows * 2)}."
            yield bad(f"{what}, expected_rows", f"{text}: its buckets or file sizes are too small", remedy)
        else:
            yield good(f"{what}, expected_rows", text)
    if table.is_fixed and table.partition_by:
        yield unknown(
            f"{what}, partitions: fixed",
            "promised that no key changes its partition; the keys of all rows would tell",
            "streamjoin verify CONFIG reads them.",
        )


def _index(table: "HudiTable") -> str:
    if table.tells_files:
        return "streamjoin's own index tells files"
    if table.index_type != "BUCKET":
        return f"index {table.index_type}"
    buckets = table.writer_options(1)["hoodie.bucket.index.num.buckets"]
    return f"{buckets} buckets{' a partition' if table.partition_by else ''}"


def _name(table: "HudiTable") -> str:
    return f"table '{table.table_name}'"


def _rounded(rows: int) -> int:
    """Return two digits of a number."""
    step = int(10 ** max(0, len(str(rows)) - 2))
    return -(-rows // step) * step
