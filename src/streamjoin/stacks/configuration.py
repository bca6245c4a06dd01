"""A job's configuration: its file as somebody wrote it, with all that the stack decides put in."""

import copy
from collections.abc import Callable, Mapping
from typing import Any, Final

from streamjoin.config.file import RawConfig
from streamjoin.entry import parse_job
from streamjoin.errors import ConfigError, StackError
from streamjoin.stacks.outputs import Outputs, TableEntry
from streamjoin.stacks.written import Values, place_files, refuse_what_is_left

_NO_FILE: Final = {
    "enrich": "doesn't know what an event looks like, nor how it is joined: give the job's file with --base, such as "
    "conf/enrich_orders.yaml; what the stack decides is put into it",
    "replicate": "doesn't know the server, nor the table mappings: give the job's file with --base, such as "
    "conf/replicate_country.yaml; what the stack decides is put into it",
}


def configuration(
    outputs: Outputs,
    job: str,
    base: RawConfig | None = None,
    *,
    table: str | None = None,
    placed: Callable[[str], str] = lambda path: path,
) -> Values:
    """Return a job's configuration, checked.

    Whatever the stack decides is the stack's: names, streams, tables, places, database, catalog, metrics. All else is
    the file's: what events look like, joins, keys, partitions, limits.

    Args:
        outputs: The stack's.
        job: `enrich`, `capture`, `backfill` or `replicate`.
        base: The job's file; of `capture` and `backfill` it may be missing.
        table: Of a backfill: which of the captured tables. Default: the only one.
        placed: Takes the path of a file that the configuration names, and returns that by which the job is to open it.

    Raises:
        StackError: The stack doesn't have this job, or lacks an output; or the file names what the stack doesn't have.
        ConfigError: The file has problems, or is another job's.
    """
    name = outputs.job_name(job)
    where = base.where if base is not None else f"configuration of stack '{outputs.stack}'"
    values: Values = copy.deepcopy(dict(base.values)) if base is not None and isinstance(base.values, Mapping) else {}
    if base is not None and values.get("job", "enrich") != job:
        raise ConfigError([f"job: found '{values.get('job', 'enrich')}'; expected here: {job}"], where)
    if base is None and job in {"enrich", "replicate"}:
        message = f"stack '{outputs.stack}' {_NO_FILE[job]}"
        raise StackError(message)
    made = {"enrich": _enrich, "capture": _capture, "replicate": _replicate}.get(job)
    values = {"job": job, "name": name, **{k: v for k, v in values.items() if k not in {"job", "name"}}}
    if made is None:
        _backfill(outputs, values, table)
    else:
        made(outputs, values)
    values["metrics"] = {**_part(values, "metrics"), "cloudwatch_namespace": outputs["MetricsNamespace"]}
    values["logging"] = {"format": "json", **_part(values, "logging")}
    place_files(values, placed)
    if base is not None:
        refuse_what_is_left(values, base)
    parse_job(values, where)
    return values


def _enrich(outputs: Outputs, values: Values) -> None:
    stream = {**_kinesis(values), "stream_name": outputs["EventsStream"], "region": outputs["Region"]}
    if consumer := outputs.get("FanOutConsumer"):
        stream["fan_out"] = consumer
    stream.pop("stream_arn", None)
    values["source"] = {"kinesis": stream}
    tables = [each.name for each in outputs.tables("ReferenceTables")]
    renamed: dict[str, str] = {}
    for reference in values.get("references") or ():
        of = _part(reference, "dynamodb")
        if of.get("table_name") not in tables:
            message = (
                f"stack '{outputs.stack}': reference '{reference.get('name')}' reads table '{of.get('table_name')}', "
                f"which is none of its reference tables: {', '.join(tables) or 'none'}. Add it to the parameter "
                "ReferenceTables, or correct the file"
            )
            raise StackError(message)
        reference["dynamodb"] = {**of, "region": of.get("region") or outputs["Region"]}
        # Alarms know a reference by its table. A table that is joined twice has that name once.
        if of["table_name"] not in renamed.values():
            renamed[str(reference.get("name"))] = of["table_name"]
            reference["name"] = of["table_name"]
    if versions := _part(_part(values, "output"), "reference_version"):
        values["output"]["reference_version"] = {renamed.get(key, key): column for key, column in versions.items()}
    _sink(values, outputs, outputs["EnrichBasePath"], outputs["LakeTable"])
    _letters(values, outputs["EnrichDeadLetters"])


def _capture(outputs: Outputs, values: Values) -> None:
    stream = {**_kinesis(values), "stream_name": outputs["ChangesStream"], "region": outputs["Region"]}
    stream.pop("stream_arn", None)
    values["source"] = {"kinesis": stream}
    values["tables"] = _captured(outputs, values)
    _letters(values, outputs["CaptureDeadLetters"])


def _backfill(outputs: Outputs, values: Values, table: str | None) -> None:
    names = [each.name for each in outputs.tables("CaptureTables")]
    if table is None and len(names) == 1:
        (table,) = names
    if table not in names:
        found = f"found '{table}'" if table else "none was given"
        expected = f"expected --table with one of {', '.join(names)}"
        message = f"stack '{outputs.stack}': a backfill is of one table: {found}, {expected}"
        raise StackError(message)
    source = _part(values, "source")
    if "dynamodb_export" not in source:
        source = {
            "dynamodb_table": {**_part(source, "dynamodb_table"), "table_name": table, "region": outputs["Region"]}
        }
    values["name"] = f"{values['name']}-{table}"
    values["source"] = source
    values["tables"] = [each for each in _captured(outputs, values) if each["table_name"] == table]
    _letters(values, f"{outputs['BackfillDeadLetters']}/{table}")


def _replicate(outputs: Outputs, values: Values) -> None:
    mysql = _part(_part(values, "source"), "mysql")
    mysql.pop("password", None)
    values["source"] = {"mysql": {**mysql, "password_secret": outputs["MySqlSecretArn"]}}
    target = _part(_part(values, "target"), "dynamodb")
    values["target"] = {
        "dynamodb": {
            **target,
            "create_tables": False,
            "control_table": outputs["ControlTable"],
            "region": outputs["Region"],
        }
    }
    _letters(values, outputs["ReplicateDeadLetters"])


def _captured(outputs: Outputs, values: Values) -> list[Values]:
    """Return an entry for each table that the stack captures: the file's, else one for the table as it is."""
    written = {str(each.get("table_name")): each for each in values.get("tables") or () if isinstance(each, Mapping)}
    tables = outputs.tables("CaptureTables")
    if unknown := sorted(set(written) - {"*"} - {each.name for each in tables}):
        message = (
            f"stack '{outputs.stack}' doesn't capture {', '.join(unknown)}, which the file has; it captures: "
            f"{', '.join(each.name for each in tables)}. Add it to the parameter CaptureTables, or correct the file"
        )
        raise StackError(message)
    return [_entry(outputs, table, {**written.get("*", {}), **written.get(table.name, {})}) for table in tables]


def _entry(outputs: Outputs, table: TableEntry, written: Values) -> Values:
    entry: Values = {**written, "table_name": table.name}
    hudi = {**_part(_part(written, "sink"), "hudi")}
    if table.keys and "record_key" not in hudi and entry.get("layout", "current") == "current":
        hudi["record_key"] = list(table.keys)
    entry["sink"] = {"hudi": hudi}
    _sink(entry, outputs, f"{outputs['CaptureBasePath']}/{table.name}", athena_name(table.name))
    return entry


def athena_name(table: str) -> str:
    """Return the name in the lake of a DynamoDB table: in lower case, `_` for what Athena can't name."""
    return "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in table).lower()


def _sink(values: Values, outputs: Outputs, base_path: str, table_name: str) -> None:
    hudi = _part(_part(values, "sink"), "hudi")
    decided = {"base_path": base_path, "database": outputs["Database"], "table_name": table_name, "catalog": "glue"}
    values["sink"] = {"hudi": {**hudi, **decided}}


def _letters(values: Values, base_path: str) -> None:
    values["dead_letters"] = {**_part(values, "dead_letters"), "base_path": base_path}


def _kinesis(values: Values) -> Values:
    return _part(_part(values, "source"), "kinesis")


def _part(values: Any, key: str) -> Values:
    """Return a section of what may be no mapping at all: the check of the whole tells that."""
    found = values.get(key) if isinstance(values, Mapping) else None
    return dict(found) if isinstance(found, Mapping) else {}
