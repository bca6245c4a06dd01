"""Connections with TLS: the server's certificate is checked against an authority that the test makes."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from streamjoin.aws.clients import aws_client
from streamjoin.entry import parse_job
from streamjoin.errors import SourceError
from streamjoin.local.mariadb import MariaDb
from streamjoin.mysql import MysqlAddress, MysqlServer
from streamjoin.replicate.config import ReplicateConfig
from streamjoin.replicate.pipeline import run

SECRET = "a secret of the test"  # noqa: S105


@dataclass(frozen=True)
class Authority:
    """Who signs certificates; its own is in the file `ca_file`."""

    key: rsa.RSAPrivateKey
    ca_file: Path

    @classmethod
    def new(cls, ca_file: Path) -> "Authority":
        key = rsa.generate_private_key(65537, 2048)
        made = cls(key, ca_file)
        usage = x509.KeyUsage(
            *(False, False, False, False, False), key_cert_sign=True, crl_sign=True, encipher_only=False,
            decipher_only=False,
        )  # fmt: skip
        made._sign(key, ca_file, (x509.BasicConstraints(ca=True, path_length=None), True), (usage, True))
        return made

    def certify(self, folder: Path) -> list[str]:
        """Return the options of a server that has a certificate for 127.0.0.1, and for no name."""
        key = rsa.generate_private_key(65537, 2048)
        address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
        self._sign(key, folder / "server.pem", (address, False))
        pem = (serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL)
        (folder / "key.pem").write_bytes(key.private_bytes(*pem, serialization.NoEncryption()))
        return ["--ssl", f"--ssl-cert={folder / 'server.pem'}", f"--ssl-key={folder / 'key.pem'}"]

    def _sign(self, key: rsa.RSAPrivateKey, file: Path, *extensions: tuple[x509.ExtensionType, bool]) -> None:
        now = datetime.now(UTC)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "an authority of the test")])
        subject = name if key is self.key else x509.Name([])
        builder = x509.CertificateBuilder(name, subject, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(hours=1))
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        file.write_bytes(builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def authority(folder: Path) -> Authority:
    return Authority.new(folder / "ca.pem")


@pytest.fixture(scope="module")
def server(authority: Authority, folder: Path) -> Iterator[MariaDb]:
    with MariaDb(authority.certify(folder)) as running:
        running.execute("CREATE DATABASE shop")
        running.execute("CREATE TABLE shop.stock (id INT PRIMARY KEY, v INT)")
        running.execute(f"CREATE USER 'safe'@'%' IDENTIFIED BY '{SECRET}' REQUIRE SSL")
        running.execute("GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO 'safe'@'%'")
        running.execute("GRANT SELECT ON shop.* TO 'safe'@'%'")
        yield running


@pytest.fixture
def address(server: MariaDb, authority: Authority) -> MysqlAddress:
    return MysqlAddress(server.host, server.port, "safe", SECRET, str(authority.ca_file))


def refusal(address: MysqlAddress) -> str:
    with pytest.raises(SourceError) as error:
        MysqlServer(address).identity()
    assert not error.value.retryable
    assert SECRET not in str(error.value)
    return str(error.value)


def test_a_job_loads_and_follows_by_tls_with_a_password_of_secrets_manager(
    server: MariaDb, authority: Authority, dynamodb: Any, tmp_path: Path, fresh_name: Callable[[str], str]
) -> None:
    secret, target = fresh_name("mysql/safe"), fresh_name("stock")
    aws_client("secretsmanager").create_secret(
        Name=secret, SecretString=json.dumps({"username": "safe", "password": SECRET, "engine": "mysql"})
    )
    locator = {"schema-name": "shop", "table-name": "stock"}
    rules = [
        {"rule-type": "selection", "rule-id": "1", "rule-name": "1", "rule-action": "include",
         "object-locator": locator},
        {"rule-type": "object-mapping", "rule-id": "2", "rule-name": "2", "rule-action": "map-record-to-record",
         "object-locator": locator, "target-table-name": target},
    ]  # fmt: skip
    (tmp_path / "mappings.json").write_text(json.dumps({"rules": rules}))
    config = parse_job({
        "job": "replicate",
        "name": target,
        "source": {"mysql": {
            "host": server.host, "port": server.port, "user": "safe", "password_secret": secret,
            "tls": {"ca_file": str(authority.ca_file)},
        }},
        "table_mappings": str(tmp_path / "mappings.json"),
    })  # fmt: skip
    assert isinstance(config, ReplicateConfig)
    for value in (1, 2):
        server.execute("INSERT INTO shop.stock VALUES (1, %s) ON DUPLICATE KEY UPDATE v = VALUES(v)", (value,))
        run(config, until_caught_up=True)
        assert [item["v"]["N"] for item in dynamodb.scan(TableName=target)["Items"]] == [str(value)]


def test_a_certificate_of_another_authority_or_for_another_name_is_refused_at_once(
    address: MysqlAddress, tmp_path: Path
) -> None:
    other = Authority.new(tmp_path / "other.pem")
    said = refusal(replace(address, tls=str(other.ca_file)))
    assert "CERTIFICATE_VERIFY_FAILED" in said
    assert f"of an authority of those in '{other.ca_file}', and the server's is of another one" in said
    said = refusal(replace(address, tls=True))
    assert "of an authority that this machine trusts" in said
    assert "source.mysql.tls.ca_file" in said
    said = refusal(replace(address, host="localhost"))
    assert "source.mysql.tls wants a certificate for 'localhost', and the server's is for another name" in said
    assert "source.mysql.host" in said


def test_a_user_that_must_come_with_tls_is_told_so(address: MysqlAddress) -> None:
    assert "check source.mysql.user and its password, and whether it must come with TLS" in refusal(
        replace(address, tls=False)
    )
