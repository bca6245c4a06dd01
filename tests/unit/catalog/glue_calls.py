"""A client of Glue's catalog (moto's) that counts and may refuse, and what is in the catalog."""

from collections import Counter
from typing import Any

from botocore.exceptions import ClientError

from streamjoin.catalog.glue import GlueCatalog
from streamjoin.catalog.sync import TableSync
from streamjoin.config.catalog_stages import CatalogTable, GlueSettings
from tests.lake_tables import LakeTable, avro

ORDERS = avro(id="string", units="int", dt="string")


class Counted:
    """A client that counts its calls, and does to each what it is told before or instead."""

    def __init__(self, client: Any) -> None:
        self._client, self.calls, self.before = client, Counter[str](), {}

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._client, name)
        if name in ("meta", "get_paginator"):
            if name == "get_paginator":
                self.calls["get_partitions"] += 1
            return call

        def counted(**arguments: Any) -> Any:
            self.calls[name] += 1
            if name in self.before:
                self.before[name](arguments)
            return call(**arguments)

        return counted


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": 400}}, "X")


def sync_of(lake: LakeTable, glue: Any, *, name: str = "orders", **settings: Any) -> TableSync:
    table = CatalogTable(str(lake.root), "sales", name, GlueSettings(**settings))
    return TableSync(table, GlueCatalog(table, glue, sleep=lambda seconds: None))


def entered_by_others(glue: Any, theirs: dict[str, Any]) -> None:
    glue._client.create_database(DatabaseInput={"Name": "sales"})
    glue._client.create_table(DatabaseName="sales", TableInput=theirs)


def entry(glue: Any, name: str = "orders") -> dict[str, Any]:
    found: dict[str, Any] = glue._client.get_table(DatabaseName="sales", Name=name)["Table"]
    return found


def columns(holder: dict[str, Any]) -> dict[str, str]:
    return {c["Name"]: c["Type"] for c in holder["StorageDescriptor"]["Columns"] if not c["Name"].startswith("_hoodie")}


def partitions(glue: Any, name: str = "orders") -> dict[tuple[str, ...], dict[str, Any]]:
    pages = glue._client.get_paginator("get_partitions").paginate(DatabaseName="sales", TableName=name)
    return {tuple(p["Values"]): p for page in pages for p in page["Partitions"]}
