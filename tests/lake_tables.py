"""Hudi tables as far as a catalog looks at them, without Spark: properties, commits and folders of partitions."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

OPTIONAL = {"string": ["null", "string"], "int": ["null", "int"], "long": ["null", "long"]}


def avro(**columns: Any) -> str:
    """Return a table's schema as a commit has it; a type is a word or Avro's own."""
    fields = [
        {"name": name, "type": OPTIONAL.get(kind, kind) if isinstance(kind, str) else kind, "default": None}
        for name, kind in columns.items()
    ]
    return json.dumps({"type": "record", "name": "orders_record", "namespace": "hoodie.orders", "fields": fields})


@dataclass
class LakeTable:
    """A table below `root`, written as Hudi's table version 6 is."""

    root: Path
    table_type: str = "COPY_ON_WRITE"
    partition_by: Sequence[str] = ()
    _instants: Any = field(default_factory=lambda: count(20260131000000000))

    def __post_init__(self) -> None:
        (self.root / ".hoodie").mkdir(parents=True)
        lines = [
            "#Properties",
            f"hoodie.table.type={self.table_type}",
            *([f"hoodie.table.partition.fields={','.join(self.partition_by)}"] if self.partition_by else []),
            "hoodie.table.checksum=1",
        ]
        (self.root / ".hoodie/hoodie.properties").write_text("\n".join(lines))

    def commit(self, schema: str, *partitions: str, operation: str = "UPSERT") -> str:
        """Commit, having written to these partitions; return the instant."""
        instant = str(next(self._instants))
        paths = partitions or ("",)
        for path in paths:
            (self.root / path).mkdir(parents=True, exist_ok=True)
        stats: Mapping[str, Any] = {path: [{"fileId": "f", "numInserts": 1}] for path in paths}
        content = {"partitionToWriteStats": stats, "operationType": operation, "extraMetadata": {"schema": schema}}
        ending = "deltacommit" if self.table_type == "MERGE_ON_READ" else "commit"
        (self.root / f".hoodie/{instant}.{ending}").write_text(json.dumps(content))
        return instant

    def archive(self, instant: str) -> None:
        """Take a commit out of the timeline."""
        for file in (self.root / ".hoodie").glob(f"{instant}.*"):
            file.unlink()
