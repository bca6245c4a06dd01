"""This machine's clock and versions."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from streamjoin.doctor import machine
from streamjoin.doctor.finding import Status
from tests.unit.doctor.looking import AWAY, NOW, clients, context, enrichment, refusal


def answer(ahead_seconds):
    date = format_datetime(datetime.fromtimestamp(NOW, UTC) - timedelta(seconds=ahead_seconds), usegmt=True)
    return {"ResponseMetadata": {"HTTPHeaders": {"date": date}}}


def look_at_clock(said):
    client, _ = clients(sts={"get_caller_identity": said})
    (found,) = machine.clock(context(enrichment(), client))
    return found.status, found.found


@pytest.mark.parametrize(
    ("ahead", "expected"),
    [
        (0, (Status.GOOD, "as the service's")),
        (20, (Status.GOOD, "20 s ahead of the service's")),
        (-400, (Status.BAD, "400 s behind the service's")),
        (90, (Status.BAD, "90 s ahead of the service's")),
    ],
)
def test_the_clock_is_held_against_the_services_date(ahead, expected):
    assert look_at_clock(answer(ahead)) == expected


def test_a_refusal_tells_the_date_too():
    error = refusal("SignatureDoesNotMatch")
    error.response["ResponseMetadata"] |= answer(600)["ResponseMetadata"]
    assert look_at_clock(error) == (Status.BAD, "600 s ahead of the service's")


def test_without_a_date_the_clock_can_not_be_told():
    assert look_at_clock({})[0] is Status.UNKNOWN
    assert look_at_clock(AWAY)[0] is Status.UNKNOWN


def versions(monkeypatch, *, python="3.11.9", java='openjdk version "17.0.9"', spark="3.5.6", job="enrich"):
    monkeypatch.setattr(machine.platform, "python_version", lambda: python)
    monkeypatch.setattr("streamjoin.spark.java.java_home", lambda: "/java")
    ran = []

    def run(command, **_):
        ran.append(command)
        return subprocess.CompletedProcess(command, 0, "", java)

    monkeypatch.setattr(machine.subprocess, "run", run)
    monkeypatch.setattr(machine, "version", lambda package: spark)
    mysql = {"host": "h", "user": "u", "password": "secret-word"}
    replicate = {
        "job": "replicate",
        "name": "r",
        "source": {"mysql": mysql},
        "table_mappings": "conf/dms/country_lookup.json",
    }
    client, _ = clients()
    found = {
        each.what: (each.status, each.found)
        for each in machine.versions(context(enrichment() if job == "enrich" else replicate, client))
    }
    return found, ran


def test_versions_are_told_beside_those_of_glue(monkeypatch):
    found, ran = versions(monkeypatch)
    assert found["Python"] == (Status.GOOD, "3.11.9; Glue 5.0 and 5.1 have 3.11")
    assert found["Java"] == (Status.GOOD, "17.0.9; Glue 5.0 and 5.1 have 17")
    assert found["Spark"] == (Status.GOOD, "3.5.6; Glue 5.0 has 3.5.4, 5.1 3.5.6")
    assert found["Hudi"][1].startswith("1.0.2; Glue 5.0 has 0.15.0, 5.1 1.0.2")
    assert ran == [["/java/bin/java", "-version"]]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("Python", {"python": "3.13.1"}),
        ("Java", {"java": 'openjdk version "25.0.1"'}),
        ("Java", {"java": "no Java here"}),
        ("Spark", {"spark": "4.0.1"}),
    ],
)
def test_a_version_that_does_not_do_is_bad(monkeypatch, name, change):
    found, _ = versions(monkeypatch, **change)
    assert found[name][0] is Status.BAD


def test_a_replication_needs_python_alone(monkeypatch):
    assert list(versions(monkeypatch, job="replicate")[0]) == ["Python"]


def test_looking_starts_no_spark():
    script = "import sys, streamjoin.cli.preflight; sys.exit('pyspark' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
