import pytest

from tests.unit.kinesis.kinesis_job import Job


@pytest.fixture(params=[None, "etl"], ids=["polled", "pushed"])
def _each_way(request, monkeypatch):
    monkeypatch.setattr(Job, "fan_out", request.param)
