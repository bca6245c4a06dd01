"""The tables of a capture job: those listed, and with a template those that are met."""

from collections.abc import Iterator
from functools import partial

from pyspark.sql import SparkSession

from streamjoin.capture.config.capture import CaptureConfig, journal_path, settings_of_table
from streamjoin.capture.config.made_tables import made_by
from streamjoin.capture.config.tables import ALL_OTHERS, CaptureTableSettings, catalog_name
from streamjoin.capture.layout import capture_layout, hudi_table
from streamjoin.capture.owner import Owner
from streamjoin.capture.table import CapturedTable
from streamjoin.catalog.beside import CatalogSync
from streamjoin.catalog.beside import finish as finish_catalogs
from streamjoin.errors import ConfigError
from streamjoin.hudi.conflict import conflicts
from streamjoin.hudi.table import HudiTable
from streamjoin.hudi.tombstones import Tombstones
from streamjoin.hudi.write import has_commit
from streamjoin.letters.table import DeadLetters


class CapturedTables:
    """Finds the table of the lake that changes of a DynamoDB table go to.

    Args:
        config: The job's.
        dead_letters: Those of the job, which may be fed in again after any time.
        remembers_all: Whether every removal counts that is still known, however long ago.

    Attributes:
        has_template: Whether every table is captured.
    """

    def __init__(self, config: CaptureConfig, dead_letters: DeadLetters, *, remembers_all: bool = False) -> None:
        self._dead_letters, self._remembers_all = dead_letters, remembers_all
        self._config = config
        self._owner = Owner(config.name, journal_path(config))
        self._listed = [table.table_name for table in config.tables if table.table_name != ALL_OTHERS]
        self.has_template = len(self._listed) < len(config.tables)
        self._open: dict[str, CapturedTable] = {}
        self._owners: dict[tuple[str, str], str] = {}
        for table_name in self._listed:
            self._claim(table_name)

    @property
    def listed(self) -> tuple[str, ...]:
        """The DynamoDB tables that the configuration names."""
        return tuple(self._listed)

    def forget(self) -> None:
        """Open each table again when it is met next: what was known of it may not have been committed."""
        self._open = {}

    def hudi_tables(self) -> Iterator[HudiTable]:
        """Yield the tables that the configuration names, then those that the template has made already.

        Raises:
            SinkError: What is there can't be read.
        """
        names = [*self._listed, *self._made()]
        for settings in map(self._claim, names):
            if settings is not None:
                yield hudi_table(settings, capture_layout(settings))

    def service_seconds(self) -> dict[str, float]:
        """Return how long services of the open tables took since this was asked: `waited.planning.<table>`, say."""
        return {
            f"{service}.{name}": seconds
            for name, table in sorted(self._open.items())
            for service, seconds in table.services.take_seconds().items()
        }

    def finish(self) -> None:
        """Wait for what is carried out of the tables' services, and for the catalog."""
        for table in self._open.values():
            table.services.finish()
        finish_catalogs(self._catalogs())

    def catalog_failures(self) -> int:
        """Return how often in a row the catalog of an open table has failed, of the one with the most failures."""
        return max((catalog.failures for catalog in self._catalogs()), default=0)

    def catalog_said(self) -> dict[str, str]:
        """Return what the journal is to say of the catalog: the table with the most failures; or nothing."""
        worst = max(self._catalogs(), key=lambda catalog: catalog.failures, default=None)
        return {} if worst is None else worst.said()

    def _catalogs(self) -> list[CatalogSync]:
        return [table.catalog for table in self._open.values()]

    def check_owner(self) -> None:
        """Make sure that no other capture job owns a table that is there already.

        Raises:
            SinkError: Another one does, or that can't be read.
        """
        for base_path in self.base_paths():
            self._owner.check(base_path)

    def conflicts(self) -> list[str]:
        """Return why tables that are there can't be this job's: they were made with other settings, or by another job.

        Raises:
            SinkError: What is there can't be read.
        """
        found: list[str] = []
        for index, settings in enumerate(self._config.tables):
            at, base_path = f"tables[{index}].sink.hudi", settings.sink.hudi.base_path
            if settings.table_name == ALL_OTHERS:
                base_paths = list(made_by(base_path, begun=True).values())
            else:
                base_paths = [base_path]
                table = hudi_table(settings, capture_layout(settings))
                found += conflicts(table, at=at, rows=f"tables[{index}].layout")
            owned = map(self._owner.conflict, base_paths)
            found += [f"{at}.base_path: {problem}" for problem in owned if problem is not None]
        return found

    def find(self, table_name: str, spark: SparkSession) -> CapturedTable | None:
        """Return the open table that changes of the DynamoDB table `table_name` go to; None: it isn't listed.

        Raises:
            ConfigError: As `conflict` says.
            SchemaError: A column's type doesn't go with the table's.
            SinkError: It can't be read or mended.
        """
        if table_name not in self._open:
            settings = self._claim(table_name)
            if settings is None:
                return None
            tombstones = partial(
                Tombstones,
                needed_since_us=partial(self._dead_letters.oldest_arrival_us, spark),
                whole=self._remembers_all,
            )
            table = CapturedTable(settings, job=self._config.name, owner=self._owner, tombstones=tombstones)
            table.open(spark)
            # What an earlier process has missed is made up for.
            table.catalog.committed()
            self._open[table_name] = table
        return self._open[table_name]

    def conflict(self, table_name: str) -> str | None:
        """Return with which other table `table_name` would have a name or a place in common; None: with none."""
        try:
            self._claim(table_name)
        except ConfigError as error:
            return error.problems[0]
        return None

    def _made(self) -> Iterator[str]:
        for table in self._config.tables:
            if table.table_name == ALL_OTHERS:
                yield from made_by(table.sink.hudi.base_path)

    def base_paths(self) -> Iterator[str]:
        """Yield where the tables lie: those listed, then those that the template has made already.

        Raises:
            SinkError: A path is neither local nor on S3.
        """
        yield from (base_path for _, base_path in self.listed_paths())
        for table in self._config.tables:
            if table.table_name == ALL_OTHERS:
                yield from made_by(table.sink.hudi.base_path, begun=True).values()

    def listed_paths(self) -> Iterator[tuple[str, str]]:
        """Yield the DynamoDB tables that the configuration names, and where each is in the lake."""
        for table_name in self._listed:
            settings = settings_of_table(self._config, table_name)
            if settings is not None:
                yield table_name, settings.sink.hudi.base_path

    def _claim(self, table_name: str) -> CaptureTableSettings | None:
        """Return a table's settings, having made sure that no other one has its name in the catalog."""
        settings = settings_of_table(self._config, table_name)
        if settings is None:
            return None
        hudi = settings.sink.hudi
        name = hudi.database, hudi.table_name
        if name not in self._owners:
            self._owners[name] = table_name if table_name in self._listed else self._made_before(table_name)
        owner = self._owners[name]
        if owner != table_name:
            problem = (
                f"tables: the DynamoDB tables '{owner}' and '{table_name}' would both be the table "
                f"'{hudi.database}.{hudi.table_name}'; give one of them an entry of its own with another "
                "sink.hudi.table_name"
            )
            raise ConfigError([problem], self._config.name)
        return settings

    def _made_before(self, table_name: str) -> str:
        """Return the table for which an earlier process took the name that `table_name` has by the template."""
        for template in self._config.tables:
            if template.table_name != ALL_OTHERS:
                continue
            for other, path in made_by(template.sink.hudi.base_path, begun=True).items():
                is_same = catalog_name(other) == catalog_name(table_name)
                if is_same and other not in (table_name, *self._listed) and has_commit(path):
                    return other
        return table_name
