"""`streamjoin seed-table`: sample items for a DynamoDB table."""

from typing import Annotated

import typer

File = Annotated[
    str,
    typer.Argument(
        metavar="FILE",
        help="orders, receipts, or a file: a JSON array of items, or one a line (DynamoDB JSON too).",
        show_default=False,
    ),
]


def seed_table(  # noqa: PLR0913, PLR0917  (options of a command)
    file: File,
    table: Annotated[str, typer.Option("--table", help="The DynamoDB table.", show_default=False)],
    create: Annotated[
        bool, typer.Option("--create", help="Make the table if it is missing, with a stream of changes.")
    ] = False,
    partition_key: Annotated[
        str | None, typer.Option(help="Of a table that is made for a file.", show_default=False)
    ] = None,
    sort_key: Annotated[
        str | None, typer.Option(help="Of a table that is made for a file.", show_default=False)
    ] = None,
    records: Annotated[
        int | None, typer.Option(min=1, help="How many. Default: 1,000, or all of a file.", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another seed makes other samples.")] = 0,
    region: Annotated[str | None, typer.Option(help="Default: the SDK's.")] = None,
) -> None:
    """Write sample items into a DynamoDB table, 25 a call."""
    from streamjoin.local.samples import seed as seeding  # noqa: PLC0415

    seeded = seeding.seed_table(
        file, table, records=records, seed=seed, create=create, key=seeding.Key(partition_key, sort_key), region=region
    )
    typer.echo(f"table '{table}': {seeded}")
