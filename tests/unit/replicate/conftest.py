"""A server with four tables, two of which share a target, and a replication of them."""

import pytest

from tests.faults.replication import World
from tests.services.replication_server import Server

TARGETS = {"country": "countries", "city": "cities", "left": "shared", "right": "shared"}


@pytest.fixture
def server() -> Server:
    server = Server()
    for name in TARGETS:
        server.create(name)
    return server


@pytest.fixture
def world(server: Server) -> World:
    return World(server, TARGETS)
