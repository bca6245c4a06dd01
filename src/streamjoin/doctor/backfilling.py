"""What a backfill reads: the table, or the manifests and files of its export."""

from collections.abc import Iterator

from pyarrow import fs

from streamjoin.aws.storage import open_path
from streamjoin.backfill.config.backfill import BackfillConfig
from streamjoin.doctor.context import Context
from streamjoin.doctor.finding import Finding, bad, good
from streamjoin.dynamodb.read.export_manifest import ExportManifest
from streamjoin.dynamodb.read.scan import TableAddress
from streamjoin.rendering import counted


def source(context: Context) -> Iterator[Finding]:
    """Ask for the table, or read the export's manifests and look whether its files are there."""
    config = context.config
    assert isinstance(config, BackfillConfig)  # noqa: S101  (it is the check of that job)
    if (settings := config.source.dynamodb_table) is not None:
        table = TableAddress(settings.table_name, settings.region, settings.role_arn).describe()
        what, key = f"table '{settings.table_name}'", ", ".join(table.key_types)
        yield good(what, f"about {counted(table.items, 'item')}, key {key}")
    if config.source.dynamodb_export is not None:
        yield from _export(config, config.source.dynamodb_export.path)


def _export(config: BackfillConfig, path: str) -> Iterator[Finding]:
    what, manifest = "export", ExportManifest.read(path)
    declared = config.tables[0].table_name
    if manifest.table_name != declared:
        remedy = f"Set tables[0].table_name: {manifest.table_name}, or give the path of another export."
        yield bad(what, f"it is of table '{manifest.table_name}'; tables[0].table_name is '{declared}'", remedy)
        return
    filesystem, root = open_path(f"{manifest.path}/data")
    listed = filesystem.get_file_info(fs.FileSelector(root, allow_not_found=True))
    there = {each.base_name for each in listed}
    missing = [file.name for file in manifest.files if file.name not in there]
    items, moment = counted(manifest.items, "item"), f"{manifest.exported_at:%Y-%m-%d %H:%M:%S} UTC"
    of = f"{items} of '{manifest.table_name}' as of {moment}"
    if missing:
        found = f"{of}; {len(missing)} of {len(manifest.files)} files are missing, '{missing[0]}' first"
        yield bad(what, found, "Copy the export again, or make another.")
    else:
        yield good(what, f"{of}, in {counted(len(manifest.files), 'file')}")
