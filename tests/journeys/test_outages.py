"""A partner is slow, broken or away: others do not notice, and it is brought up to date when it is back."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from simulator import ocpi
from tests import examples
from tests.journeys.hub import Hub, Simulated
from tests.journeys.processes import wait_until

pytestmark = pytest.mark.journey

MakeParty = Callable[[str], str]
Document = dict[str, Any]


@pytest.fixture(scope="module")
def cpo(hub: Hub, party: MakeParty) -> Simulated:
    return hub.simulated("cpo", party("NL"), "--count", "0")


@pytest.fixture(scope="module")
def neighbour(hub: Hub, party: MakeParty) -> Simulated:
    """A partner that is well."""
    return hub.simulated("emsp", party("DE"), "--tokens", "0")


@pytest.fixture(scope="module")
def emsp(hub: Hub, party: MakeParty) -> Simulated:
    """The partner that has troubles."""
    return hub.simulated("emsp", party("DE"), "--tokens", "5")


def push(cpo: Simulated, *names: str) -> dict[str, Document]:
    """Ten Locations, each changed once for every name; the last state of each, as partners key it."""
    owner = {"country_code": cpo.party.country_code, "party_id": cpo.party.party_id}
    latest = {}
    for name in names:
        for number in range(10):
            stamp = ocpi.format_time(ocpi.now())
            document = examples.location(**owner, id=f"LOC{number}", name=name, last_updated=stamp)
            cpo.push(document)
            latest["/".join((*cpo.party, f"LOC{number}"))] = document
    return latest


def holds(emsp: Simulated, expected: dict[str, Document]) -> bool:
    held = emsp.objects("locations")
    return all(held.get(key) == document for key, document in expected.items())


def pushes(emsp: Simulated, since: int) -> list[dict[str, Any]]:
    return [request for request in emsp.requests(since) if request["method"] != "GET"]


def test_a_partner_that_never_answers_holds_up_nobody_else(
    cpo: Simulated, neighbour: Simulated, emsp: Simulated
) -> None:
    push(cpo, "start")
    emsp.misbehave(silent=True)

    began = time.monotonic()
    expected = push(cpo, "one", "two")
    wait_until(lambda: holds(neighbour, expected), 10, "the neighbour has all")
    assert time.monotonic() - began < 10
    assert not holds(emsp, expected)

    emsp.behave()
    wait_until(lambda: holds(emsp, expected), 30, "the one that hung has all as well")


FAULTS: dict[str, dict[str, Any]] = {
    "500": {"answer": 500, "times": 4},
    "503 without end": {"answer": 503, "retry_after": 1, "times": 4},
    "429": {"answer": 429, "retry_after": 3, "times": 1},
    "3000": {"status_code": 3000, "times": 4},
    "cut": {"cut": True, "times": 4},
    "cut after": {"cut": "after", "times": 4},
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_after_failures_the_final_state_arrives(
    hub: Hub, cpo: Simulated, emsp: Simulated, fault: dict[str, Any]
) -> None:
    hub.settle()
    since = emsp.status()["requests"]
    emsp.misbehave(**fault)

    expected = push(cpo, f"first {fault}", f"second {fault}")

    wait_until(lambda: holds(emsp, expected), 40, "the final state is there")
    hub.settle()
    assert emsp.status()["stale_pushes_received"] == 0
    if fault.get("answer") == 429:
        first, *others = [ocpi.parse_time(one["at"]) for one in pushes(emsp, since)]
        again = [one["path"] for one in pushes(emsp, since)]
        repeated = others[again[1:].index(again[0])]
        assert (repeated - first).total_seconds() >= 3


def test_who_comes_back_after_an_outage_is_pulled_from_before_it(
    hub: Hub, cpo: Simulated, emsp: Simulated, neighbour: Simulated
) -> None:
    hub.settle()
    went_away = ocpi.now()
    emsp.stop()
    expected = push(cpo, "while it is away")
    status = "SELECT status FROM partners_platform WHERE id = %s"
    wait_until(lambda: hub.sql(status, emsp.platform_id) == [("OFFLINE",)], 20, "it counts as offline")
    wait_until(lambda: holds(neighbour, expected), 10, "the neighbour has all")

    emsp.start()
    wait_until(emsp.registered, 20, "the simulator runs again")

    wait_until(lambda: holds(emsp, expected), 30, "it has all")
    assert hub.sql(status, emsp.platform_id) == [("CONNECTED",)]
    pulls = wait_until(
        lambda: [one for one in emsp.requests() if "/sender/tokens" in one["path"]],
        15,
        "its Tokens are pulled",
    )
    date_from = ocpi.parse_time(
        pulls[0]["path"].partition("date_from=")[2].partition("&")[0].replace("%3A", ":")
    )
    assert date_from is not None
    assert date_from < went_away
