"""Every option that the Hudi in use has, held against what a configuration may set."""

import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError
from pyspark.sql import SparkSession

from streamjoin.config.hudi_options import HudiOptionName

OUTWARD = re.compile(r"path|folder|dir|url|uri|class|host|port|provider|password|secret|credential|\.impl|location")
# What a default looks like that is a place, a class or an address.
OUTWARD_DEFAULT = re.compile(r"/|org\.apache|://|localhost")
HARMLESS = {
    "hoodie.bloom.index.update.partition.path": "a partition of the table",
    "hoodie.compaction.partition.path.regex": "a partition of the table",
    "hoodie.datasource.read.table.valued.function.filesystem.relation.subpath": "read by a SQL function alone",
    "hoodie.embed.timeline.server.port": "of a server in the driver",
    "hoodie.fs.atomic_creation.support": "names schemes, for a lock that isn't allowed",
    "hoodie.hbase.index.update.partition.path": "a partition of the table",
    "hoodie.record.index.update.partition.path": "a partition of the table",
    "hoodie.sensitive.config.keys": "words",
    "hoodie.simple.index.update.partition.path": "a partition of the table",
}


@pytest.fixture(scope="module")
def options(spark: SparkSession) -> dict[str, tuple[str, list[str]]]:
    """Name -> default and older names of every option."""
    jvm: Any = spark._jvm
    loader = jvm.Thread.currentThread().getContextClassLoader()
    property_class = jvm.java.lang.Class.forName("org.apache.hudi.common.config.ConfigProperty", True, loader)
    jar = Path(property_class.getProtectionDomain().getCodeSource().getLocation().getPath())
    found = {}
    with zipfile.ZipFile(jar) as archive:
        names = [n for n in archive.namelist() if re.match(r"org/apache/hudi/.*(Config|Options|Sync)[^/]*\.class$", n)]
        names = [n for n in names if b"org/apache/hudi/common/config/ConfigProperty;" in archive.read(n)]
    for name in names:
        try:
            of = jvm.java.lang.Class.forName(name.removesuffix(".class").replace("/", "."), False, loader)
            fields = [field for field in of.getDeclaredFields() if property_class.equals(field.getType())]
        except Exception as error:
            # Classes of what isn't there: Flink, HBase, Kafka.
            assert "NoClassDefFoundError" in str(error), error
            continue
        for field in fields:
            if "static" not in jvm.java.lang.reflect.Modifier.toString(field.getModifiers()):
                continue
            field.setAccessible(True)
            option = field.get(None)
            default = str(option.defaultValue()) if option.hasDefaultValue() else ""
            found[option.key()] = (default, list(option.getAlternatives()))
    return found


def is_allowed(name: str) -> bool:
    try:
        TypeAdapter(HudiOptionName).validate_python(name)
    except ValidationError:
        return False
    return True


def test_no_option_that_names_a_place_a_class_or_an_address_is_allowed(
    options: dict[str, tuple[str, list[str]]],
) -> None:
    assert len(options) > 500
    outward = {
        name for name, (default, _) in options.items() if OUTWARD.search(name) or OUTWARD_DEFAULT.search(default)
    }
    assert {"hoodie.archivelog.folder", "hoodie.compaction.strategy", "hoodie.metrics.jmx.host"} <= outward
    assert {name for name in outward if is_allowed(name)} <= set(HARMLESS)


def test_an_older_name_of_an_option_that_is_refused_is_refused_too(options: dict[str, tuple[str, list[str]]]) -> None:
    assert any(older for _, older in options.values())
    passed = {name: [o for o in older if is_allowed(o)] for name, (_, older) in options.items() if not is_allowed(name)}
    assert not any(passed.values()), passed


def test_most_options_stay_allowed(options: dict[str, tuple[str, list[str]]]) -> None:
    stay = r"hoodie\.(clean|keep|archive|compact|bucket\.index|bloom\.index|simple\.index|parquet)\..*"
    refused = {name for name in options if re.fullmatch(stay, name) and not is_allowed(name)}
    assert refused == {
        "hoodie.archive.async",
        "hoodie.clean.async.enabled",
        "hoodie.clean.failed.writes.policy",
        "hoodie.compact.schedule.inline",
        "hoodie.parquet.spark.row.write.support.class",
    }
