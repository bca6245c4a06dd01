"""What a reference of either mode is by its settings: columns, types, and how it is named in warnings."""

import logging
from collections.abc import Mapping
from typing import Any, Literal

import pyarrow as pa
from pyspark.sql.types import StructType

from streamjoin.config.stages import ReferenceSettings
from streamjoin.reference.followed.inferred import Uses
from streamjoin.reference.followed.layout import check_types, lay_out
from streamjoin.spark.schema import to_arrow

log = logging.getLogger(__name__)


class ConfiguredReference:
    """The settings of a reference, and what follows from them alone.

    Args:
        settings: The reference's part of the configuration.
        uses: What the job does with its columns.

    Attributes:
        name: As configured.
        how: How events are joined, as configured.
        on: Event column -> the rows' column that it is compared with: the attribute's name, unless that is taken.
        columns: The rows' column -> the same name, of the columns that the join adds to an event.

    Raises:
        SchemaError: The declared schema lacks an attribute, or a join attribute's type can't be compared.
    """

    def __init__(self, settings: ReferenceSettings, uses: Uses) -> None:
        self._uses = uses
        self._settings, self._layout = settings, lay_out(settings.on, settings.columns)
        self.name = settings.name
        self.how: Literal["left", "inner"] = settings.how
        self.on: Mapping[str, str] = self._layout.on
        self.columns: Mapping[str, str] = {column: column for column in self._layout.outputs}
        self._types: pa.Schema | None = settings.schema_
        if self._types is not None:
            check_types(self._layout, self._types, settings.name)

    def _restored_types(self, metadata: Mapping[str, Any]) -> pa.Schema | None:
        """Return the types of the last commit if none are declared or known, and they are of the same attributes.

        The table has columns of these types: another choice after a restart would not fit it. A join attribute that was
        JSON text once, for it has several types, is plain text.
        """
        types = to_arrow(StructType.fromJson(metadata["types"]))
        if self._types is not None or types.names != list(self._layout.attributes):
            return None
        keys = set(self._layout.join_attributes.values())
        return pa.schema([field.remove_metadata() if field.name in keys else field for field in types])

    def _warn(self, warning: str) -> None:
        log.warning("reference '%s' table '%s': %s", self.name, self._settings.dynamodb.table_name, warning)
