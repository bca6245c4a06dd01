"""`streamjoin config-from-stack`: the configuration of a job that a CloudFormation stack has."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamjoin.cli.arguments import JobKind

if TYPE_CHECKING:
    from streamjoin.config.file import RawConfig
    from streamjoin.stacks.outputs import Outputs


def config_from_stack(
    stack: Annotated[str, typer.Argument(metavar="STACK", help="Name of the stack.", show_default=False)],
    job: Annotated[JobKind, typer.Option(help="Of which job.")] = JobKind.ENRICH,
    base: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="The job's file, into which the stack's values are put. Default: what the stack's bucket has.",
            show_default=False,
        ),
    ] = None,
    table: Annotated[str | None, typer.Option(help="Of a backfill: which captured table.", show_default=False)] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Where it goes. Default: standard output.", show_default=False
        ),
    ] = None,
    region: Annotated[str | None, typer.Option(help="Default: the SDK's.")] = None,
) -> None:
    """Print the configuration of a job of STACK, a stack of infra/streamjoin.yaml.

    What the stack decides (streams, tables, places, names, metrics) is put into the job's file, the rest stays.
    Without one, a capture takes each table as it is, and a stack of the sample orders is enriched as in the demo.
    """
    import yaml  # noqa: PLC0415

    from streamjoin.aws.clients import aws_client  # noqa: PLC0415
    from streamjoin.errors import ConfigError  # noqa: PLC0415
    from streamjoin.stacks.configuration import configuration  # noqa: PLC0415
    from streamjoin.stacks.outputs import Outputs  # noqa: PLC0415
    from streamjoin.stacks.stack import Stack  # noqa: PLC0415
    from streamjoin.stacks.written import beside, read_base  # noqa: PLC0415

    outputs = Outputs(stack, Stack(stack, aws_client("cloudformation", region)).outputs())
    written = read_base(base) if base else _of_the_stack(outputs, job, table)
    values = configuration(outputs, job.value, written, table=table, placed=beside(base or "."))
    text = f"# From stack '{stack}': streamjoin config-from-stack {stack} --job {job.value}\n" + yaml.safe_dump(
        values, sort_keys=False, width=110, allow_unicode=True
    )
    if output is None:
        typer.echo(text, nl=False)
        return
    try:
        Path(output).write_text(text)
    except OSError as error:
        raise ConfigError(
            [f"-o {output}: can't be written: {error.strerror}"], "streamjoin config-from-stack"
        ) from error
    typer.echo(
        f"{output}: job {job.value} of stack '{stack}'. Look at all that it will meet: streamjoin doctor {output}"
    )


def _of_the_stack(outputs: "Outputs", job: JobKind, table: str | None) -> "RawConfig | None":
    """Return what `make deploy` has put into the stack's bucket; of a stack of the sample orders else the demo's."""
    from streamjoin.stacks.written import object_name, read_deployed  # noqa: PLC0415

    deployed = read_deployed(f"{outputs['ConfigurationUri']}/{object_name(job.value, table)}")
    if deployed is None and job is JobKind.ENRICH:
        from streamjoin.local.demo.scenarios import SCENARIOS  # noqa: PLC0415
        from streamjoin.local.samples.names import DatasetName  # noqa: PLC0415
        from streamjoin.stacks.written import as_base  # noqa: PLC0415

        sample = SCENARIOS[DatasetName.ORDERS].config("", "")
        names = {each["dynamodb"]["table_name"] for each in sample["references"]}
        if names <= {each.name for each in outputs.tables("ReferenceTables")}:
            return as_base(sample)
    return deployed
