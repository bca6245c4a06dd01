"""The configuration of `job: backfill`: what a DynamoDB table held before its changes were captured."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from streamjoin.capture.config.tables import CaptureTableSettings
from streamjoin.config.schema_forms import Stage
from streamjoin.config.sink_stages import DeadLetterSettings
from streamjoin.config.stages import JobName, LoggingSettings, MetricSettings, Region, RoleArn, TableName
from streamjoin.config.values import Choice, ColumnName, Count, Path, Rate, Seconds, SizeBytes, Text, refuse
from streamjoin.moments import epoch_us, iso_us

# Source: TotalSegments of Scan in the API reference of DynamoDB.
_MOST_SEGMENTS: Final = 1_000_000
_EXAMPLES: Final = "1562148836036 (epoch in s, ms or microseconds) or '2019-07-03T10:13:56Z'"


@dataclass(frozen=True)
class Watermark:
    """A moment that items are compared with.

    Args:
        us: Microseconds since 1970.
        written: As the configuration has it.
    """

    us: int
    written: str | int | float

    def __str__(self) -> str:
        return str(self.written)


class WatermarkForms:
    """Takes an epoch number, as a number or as text, and ISO 8601."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Make a `Watermark`; what is written out is what was written."""
        return core_schema.no_info_plain_validator_function(
            _watermark, serialization=core_schema.plain_serializer_function_ser_schema(lambda found: found.written)
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Describe the forms."""
        return {"type": ["integer", "number", "string"]}


def _watermark(value: object) -> Watermark:
    if isinstance(value, Watermark):
        return value
    if isinstance(value, str):
        written = value.strip()
        # What a variable of the environment gives is text.
        try:
            return Watermark(_number_us(Decimal(written)), written)
        except ArithmeticError:
            found = iso_us(written)
        if found is not None:
            return Watermark(found, written)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        return Watermark(_number_us(value if isinstance(value, int) else Decimal(repr(value))), value)
    refuse(f"allowed: a moment, such as {_EXAMPLES}")


def _number_us(number: int | Decimal) -> int:
    if not Decimal(number).is_finite() or not -(10**18) < number < 10**18:
        refuse(f"allowed: a moment, such as {_EXAMPLES}")
    day = _as_day(str(number))
    if day is not None:
        refuse(f"as an epoch number it is a day of 1970; for the date write '{day}'")
    return epoch_us(number)


def _as_day(digits: str) -> str | None:
    """Return the day that 20190703 or 2019 are meant to be; None if digits can't be meant so."""
    digits = f"{digits}0101" if len(digits) == 4 else digits
    try:
        day = date.fromisoformat(digits) if len(digits) == 8 and digits.isdecimal() else date.min
    except ValueError:
        return None
    return day.isoformat() if 1900 <= day.year < 2200 else None


WatermarkValue = Annotated[Watermark, WatermarkForms()]


def _segments(value: int) -> int:
    if value > _MOST_SEGMENTS:
        refuse(f"allowed: 1 to {_MOST_SEGMENTS}")
    return value


class TableScanSettings(Stage):
    """A DynamoDB table that is read whole."""

    table_name: TableName
    """Name of the table."""
    region: Region | None = None
    """Region of the table. Default: the SDK's."""
    role_arn: RoleArn | None = None
    """Role to assume through STS, for a table of another account."""
    max_read_units_per_second: Rate | None = None
    """Read units that all readers together consume at most, on average. Default: no bound."""
    segments: Annotated[Count, AfterValidator(_segments)] | None = None
    """Parts in which the table is read; each is done again as a whole after a crash. Default: by the table's size."""


class TableExportSettings(Stage):
    """An export of a DynamoDB table to S3, in DynamoDB JSON."""

    path: Path
    """Folder of one export, with manifest-summary.json in it: s3://bucket/prefix/AWSDynamoDB/<id>."""


class BackfillSourceSettings(Stage):
    """Where items come from; give dynamodb_table or dynamodb_export."""

    dynamodb_table: TableScanSettings | None = None
    """The table itself, which is scanned."""
    dynamodb_export: TableExportSettings | None = None
    """An export of the table."""


class WhereSettings(Stage):
    """Which items are taken: those whose attribute lies before, after or between moments; give one or two."""

    attribute: Text
    """Attribute with a time: an epoch number in s, ms or microseconds, or text in ISO 8601."""
    before: WatermarkValue | None = None
    """Items whose attribute is less."""
    until: WatermarkValue | None = None
    """Items whose attribute is less, or equal."""
    after: WatermarkValue | None = None
    """Items whose attribute is greater."""
    from_: WatermarkValue | None = Field(default=None, alias="from")
    """Items whose attribute is greater, or equal."""


class BackfillTableSettings(CaptureTableSettings):
    """The DynamoDB table, and the table of the lake that it becomes; all but fixed_partition as in job: capture."""

    fixed_partition: dict[ColumnName, Text] = Field(default_factory=dict)
    """Partition that all rows go to: column to value, such as {dt: "00000000"}. Default: by partition_by."""


class BackfillLimitSettings(Stage):
    """Bounds of one commit, and so of the memory it takes."""

    max_records_per_batch: Count = 200_000
    """Items that a commit has at most, once the table has rows; the first commit of a table has them all."""
    max_bytes_per_batch: SizeBytes = 256 * 1024 * 1024
    """Bytes of items that a commit has at most, such as 256MiB, once the table has rows."""
    grace_seconds: Seconds = 60
    """How long the commit in hand may take after Ctrl-C or SIGTERM before it is abandoned."""


class BackfillConfig(Stage):
    """A streamjoin job: the items of a DynamoDB table, read once, into the table that captures its changes."""

    job: Annotated[Literal["backfill"], Choice(backfill="Items of a DynamoDB table, read once, into a table.")]
    """What the job does."""
    name: JobName
    """Name of the job, in logs and reports."""
    source: BackfillSourceSettings
    """Where items come from."""
    where: WhereSettings | None = None
    """Which items are taken. Default: all."""
    tables: list[BackfillTableSettings] = Field(min_length=1)
    """The table; exactly one."""
    dead_letters: DeadLetterSettings
    """Where rejected items go."""
    limits: BackfillLimitSettings = BackfillLimitSettings()
    """Bounds of one commit."""
    metrics: MetricSettings = MetricSettings()
    """Where metrics go."""
    logging: LoggingSettings = LoggingSettings()
    """How the log is written."""


def where_text(where: WhereSettings | None) -> str:
    """Return in words which items are taken."""
    if where is None:
        return "all items"
    bounds = (("before", where.before), ("until", where.until), ("after", where.after), ("from", where.from_))
    return f"items with {where.attribute} " + " and ".join(f"{key} {value}" for key, value in bounds if value)
