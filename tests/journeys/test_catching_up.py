"""Neither Redis nor beat is there, all the time: everything arrives, who was away catches up, and upkeep is done."""

import os
import signal

import pytest

from simulator import ocpi
from tests import examples
from tests.journeys.changing import Document, stamp
from tests.journeys.conftest import MakeHub
from tests.journeys.hub import Hub, Simulated, accepted
from tests.journeys.processes import wait_until
from tests.journeys.redisserver import Redis

pytestmark = pytest.mark.journey

LOCATIONS, CHANGES = 8, 5
NEWEST_DAY = (
    "SELECT max(inhrelid::regclass::text) FROM pg_inherits WHERE inhparent = 'exchange_attempt'::regclass"
    " AND inhrelid::regclass::text ~ '[0-9]$'"
)


@pytest.fixture
def hub(new_hub: MakeHub, redis: Redis) -> Hub:
    """Its workers find by themselves what is due, because nobody tells them."""
    hub = new_hub(REDIS_URL=redis.url, HUB_TOTAL_TIMEOUT="2", HUB_SILENCE="2")
    redis.kill()
    os.kill(hub.pid("beat"), signal.SIGSTOP)
    return hub


def test_without_redis_and_beat_who_was_away_gets_the_present_state_and_is_read_from_before_the_outage(
    hub: Hub,
) -> None:
    newest = the_coming_days_are_due(hub)
    cpo = hub.simulated("cpo", "NL-ABC", "--count", "0")
    neighbour = hub.simulated("emsp", "FR-XYZ", "--tokens", "0")
    emsp = hub.simulated("emsp", "DE-MSP", "--tokens", "5")
    wait_until(lambda: asked_for_tokens(emsp), 90, "its Tokens are read for the first time")
    change(cpo, 0)
    wait_until(lambda: len(emsp.objects("locations")) == LOCATIONS, 60, "what was pushed has arrived")

    went_away = ocpi.now()
    emsp.stop()
    wait_until(lambda: status(hub, emsp) == "OFFLINE", 60, "it counts as offline")
    latest = [change(cpo, number) for number in range(1, CHANGES + 1)][-1]
    wait_until(lambda: neighbour.objects("locations") == latest, 60, "the neighbour has all")

    emsp.start()
    wait_until(emsp.registered, 30, "the simulator runs again")
    wait_until(lambda: emsp.objects("locations") == latest, 60, "it has the present state")
    hub.settle()

    # Not the history: each Location once, as it is now.
    pushed = [one for one in emsp.requests() if "/receiver/locations/" in one["path"]]
    assert sorted((one["method"], one["body"]["id"]) for one in pushed) == [
        ("PUT", f"LOC{number}") for number in range(LOCATIONS)
    ]
    first = wait_until(lambda: asked_for_tokens(emsp), 60, "its Tokens are read again")[0]
    assert ocpi.parse_time(first) < went_away
    assert status(hub, emsp) == "CONNECTED"
    wait_until(lambda: hub.sql(NEWEST_DAY) == [(newest,)], 60, "the coming days are prepared")


def the_coming_days_are_due(hub: Hub) -> str:
    """As if an hour had passed and a day begun: the last day that is prepared is gone; its name."""
    ((newest,),) = hub.sql(NEWEST_DAY)
    hub.sql(f"DROP TABLE {newest}")
    hub.sql("UPDATE exchange_upkeep SET due_at = now()")
    return str(newest)


def change(cpo: Simulated, number: int) -> dict[str, Document]:
    """Every Location anew, and then the status of its EVSE; the state of each, as partners key it."""
    latest = {}
    for location in range(LOCATIONS):
        at, evse = stamp(10 * number), examples.evse(uid="1", last_updated=stamp(10 * number))
        document = examples.location(
            id=f"LOC{location}", name=f"Change {number}", evses=[evse], last_updated=at
        )
        cpo.push(document)
        patch = {"status": "CHARGING", "last_updated": stamp(10 * number + 1)}
        accepted(cpo.call("PATCH", cpo.path(document["id"], "1"), patch))
        evse |= patch
        latest[f"NL/ABC/LOC{location}"] = document | {"evses": [evse], "last_updated": patch["last_updated"]}
    return latest


def status(hub: Hub, partner: Simulated) -> str:
    ((found,),) = hub.sql("SELECT status FROM partners_platform WHERE id = %s", partner.platform_id)
    return str(found)


def asked_for_tokens(emsp: Simulated) -> list[str]:
    """Where the hub's readings of its Tokens began; empty for all of them."""
    asked = [one["path"] for one in emsp.requests() if "/sender/tokens" in one["path"]]
    return [path.partition("date_from=")[2].partition("&")[0].replace("%3A", ":") for path in asked]
