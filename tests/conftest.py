"""Fixtures of every test: the network that leads to the partners, and the cast."""

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from ocpi_hub import background
from ocpi_hub.exchange.calls import presence, transports
from ocpi_hub.exchange.deliveries import lanes
from ocpi_hub.exchange.messages import outbox
from ocpi_hub.exchange.relays import relay
from ocpi_hub.exchange.relays.breaker import Breakers
from ocpi_hub.journal import recording
from tests.partners import Network, Partner, register


@pytest.fixture(autouse=True)
def _nothing_in_the_background(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test has written in the background it writes by background.flush(), in its own transaction."""
    monkeypatch.setattr(settings, "HUB_BACKGROUND", False)
    background.forget()


@pytest.fixture(autouse=True)
def _nobody_has_called_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process keeps so many hops a minute of callers that nobody knows, and runs many tests in a minute."""
    monkeypatch.setattr(recording, "strangers", recording.Strangers(recording.UNKNOWN_CALLERS))


@pytest.fixture
def network(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Network:
    """Nothing leaves the process: the hub's calls go to the partners of the test, all others are refused."""
    network = Network()
    monkeypatch.setattr(transports, "transport", network.transport)
    monkeypatch.setattr(transports, "_clients", {})
    monkeypatch.setattr(presence, "_noted", {})
    monkeypatch.setattr(relay, "breakers", Breakers())
    if "transactional_db" not in request.fixturenames:
        monkeypatch.setattr(transports, "release_connection", no_inner_transaction())
    return network


def no_inner_transaction() -> object:
    """As release_connection(), for a test that runs inside a transaction of its own and must keep it."""
    depth = len(connection.savepoint_ids)

    def release_connection() -> None:
        if len(connection.savepoint_ids) > depth:
            raise transports.InsideTransaction("a partner is called inside a database transaction")

    return release_connection


@pytest.fixture
def cpo(db: None, network: Network) -> Partner:
    """The charge point operator NL*ABC."""
    return register(network, "ABC", "NL-ABC-CPO")


@pytest.fixture
def emsp(db: None, network: Network) -> Partner:
    """The provider DE*MSP."""
    return register(network, "MSP", "DE-MSP-EMSP")


@pytest.fixture
def stranger(db: None, network: Network) -> Partner:
    """A third platform, operator and provider at once, that may see nothing of theirs but what it is sent."""
    return register(network, "XYZ", "FR-XYZ-CPO", "FR-XYZ-EMSP")


@pytest.fixture
def deliver(db: None, network: Network) -> object:
    """Do what the workers would do now: expand messages and work every lane that is due."""

    def deliver() -> int:
        outbox.expand()
        return sum(lanes.drain(platform_id) for platform_id in lanes.due_platforms(timezone.now()))

    return deliver
