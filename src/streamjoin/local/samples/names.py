"""The names of the sample data sets; apart from the data, so that the command line knows them at no cost."""

from enum import StrEnum


class DatasetName(StrEnum):
    """What `--dataset` takes."""

    ORDERS = "orders"
    FLIGHTS = "flights"


class DemoJob(StrEnum):
    """The jobs that can be shown on this machine."""

    ENRICH = "enrich"
    CAPTURE = "capture"
