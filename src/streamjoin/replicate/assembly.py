"""From a configuration to the parts of a replication job."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from streamjoin.aws.clients import aws_client
from streamjoin.aws.errors import Remedies, translated
from streamjoin.dms import ItemMapping
from streamjoin.dynamodb.write.items import ItemWriter
from streamjoin.dynamodb.write.tables import ensure_table
from streamjoin.errors import SourceError
from streamjoin.lock.holder import Holder
from streamjoin.mysql import MysqlAddress, MysqlServer
from streamjoin.replicate.config import MySqlSettings, ReplicateConfig, TlsSettings, read_table_mappings
from streamjoin.replicate.control_table import ControlTable
from streamjoin.replicate.job import ChangeLimits, ReplicateJob
from streamjoin.replicate.letters import LetterFolder
from streamjoin.replicate.routes import Routes


def assemble(config: ReplicateConfig) -> ReplicateJob:
    """Return the job of `config`, once the server has been found fit and the control table is there.

    Raises:
        ConfigError: The table mappings are wrong.
        SourceError: The server can't be reached, or doesn't have what replication needs; all of it is listed.
        SinkError: The control table is missing, or can't be made.
    """
    target = config.target.dynamodb
    mappings = read_table_mappings(config)
    server = MysqlServer(mysql_address(config.source.mysql))
    if server.folds_case():
        mappings = mappings.ignoring_case()
    server.preflight(mappings.selects)
    client = aws_client("dynamodb", target.region, target.role_arn)
    control = ControlTable(client, target.control_table, config.name, owner=Holder.here(config.name))
    control.ensure(create=target.create_tables)

    def prepare(mapping: ItemMapping) -> None:
        ensure_table(client, mapping.target_table, mapping.key_types, create=target.create_tables)

    return ReplicateJob(
        name=config.name,
        server=server,
        routes=Routes(mappings, prepare),
        writer=ItemWriter(client, check=control.check),
        control=control,
        letters=LetterFolder(config.dead_letters.base_path) if config.dead_letters else None,
        limits=ChangeLimits(config.limits.max_records_per_batch, config.limits.max_bytes_per_batch),
        interval_seconds=config.trigger.interval_seconds,
    )


@contextmanager
def released(job: ReplicateJob) -> Iterator[None]:
    """Give the lease back and close the connection when the block ends, however it does."""
    try:
        yield
    finally:
        job.control.release()
        job.server.close()


def mysql_address(settings: MySqlSettings) -> MysqlAddress:
    """Return where the server is and who asks it.

    Raises:
        SourceError: The password's secret can't be read.
    """
    if settings.password is not None:
        password = settings.password.get_secret_value()
    else:
        password = password_of(aws_client("secretsmanager"), settings.password_secret or "")
    return MysqlAddress(
        host=settings.host,
        port=settings.port,
        user=settings.user,
        password=password,
        tls=settings.tls.ca_file if isinstance(settings.tls, TlsSettings) else settings.tls,
    )


def password_of(client: Any, secret: str) -> str:
    """Return the password that a secret of Secrets Manager holds: the key `password` of JSON, or the plain text.

    Raises:
        SourceError: The secret can't be read, or has no password in it.
    """
    remedies = Remedies(
        missing="Give source.mysql.password_secret the name or ARN of a secret in this region.",
        denied="Allow secretsmanager:GetSecretValue on the secret to the job's role.",
        throttled="Start the job again.",
        unreachable="Check the network, the credentials and the region.",
    )
    with translated(SourceError, f"secret '{secret}': GetSecretValue", remedies):
        text = client.get_secret_value(SecretId=secret).get("SecretString") or ""
    try:
        values = json.loads(text)
    except ValueError:
        values = None
    password = values.get("password") if isinstance(values, dict) else text
    if not isinstance(password, str) or not password:
        message = f"secret '{secret}': expected JSON with the key 'password', or plain text; found neither (hidden)"
        raise SourceError(message)
    return password
