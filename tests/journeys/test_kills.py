"""Processes are killed while a partner pushes: everything comes back and nothing is lost.

HUB_JOURNEY_PUSHES=1000 makes the long form of the story.
"""

import os
import signal
import time

import pytest

from tests.journeys.changing import locations_of
from tests.journeys.conftest import MakeHub
from tests.journeys.hub import Hub
from tests.journeys.processes import wait_until
from tests.journeys.pushing import Pusher

pytestmark = pytest.mark.journey

PUSHES = int(os.environ.get("HUB_JOURNEY_PUSHES", "240"))
KILLS = [(name, group) for name in ("worker", "redis", "web", "postgresql") for group in (False, True)]


def test_killed_processes_come_back_and_nothing_is_lost(
    new_hub: MakeHub, capsys: pytest.CaptureFixture[str]
) -> None:
    # The lane of a drain that lost PostgreSQL is free when its lease is over: after twice the time of a call.
    hub = new_hub(HUB_TOTAL_TIMEOUT="4")
    cpo = hub.simulated("cpo", "NL-ABC", "--count", "0")
    receivers = [hub.simulated("emsp", party, "--tokens", "0") for party in ("DE-MSP", "FR-XYZ")]
    began = time.monotonic()

    with Pusher(cpo, locations_of(cpo.party)) as pusher:
        for name, group in KILLS:
            pusher.release(PUSHES // len(KILLS))
            half = pusher.released - PUSHES // len(KILLS) // 2
            wait_until(lambda half=half: pusher.acknowledged >= half, 40, f"{half} pushes are acknowledged")
            kill(hub, name, group)
        pusher.release(PUSHES - pusher.released)
        wait_until(lambda: pusher.done, 40, "every push is acknowledged")
    pushed = time.monotonic() - began
    hub.settle(40)

    expected = pusher.expected()
    for receiver in receivers:
        assert receiver.objects("locations") == expected
        assert receiver.status()["stale_pushes_received"] == 0
        assert {item["id"]: item for item in receiver.list("locations")} == {
            item["id"]: item for item in expected.values()
        }
    assert pusher.without_envelope == []
    given_up = hub.sql("SELECT count(*) FROM exchange_delivery WHERE state = 'FAILED'")
    assert given_up == [(0,)]
    deliveries = dict(hub.sql("SELECT state, count(*) FROM exchange_delivery GROUP BY state"))
    ((attempts,),) = hub.sql("SELECT count(*) FROM exchange_attempt")
    with capsys.disabled():
        print(
            f"\n{len(KILLS)} kills during {PUSHES} pushes: {pusher.acknowledged} acknowledged in {pushed:.1f} s,"
            f" answers {dict(pusher.answers)}; deliveries {deliveries}, attempts {attempts}; settled after"
            f" {time.monotonic() - began:.1f} s; {len(receivers)} receivers hold the final state of all"
            f" {len(expected)} Locations; lost: 0"
        )


def kill(hub: Hub, name: str, group: bool) -> None:
    before = hub.pid(name)
    (os.killpg if group else os.kill)(before, signal.SIGKILL)
    wait_until(lambda: hub.pid(name) != before, 20, f"{name} is started again")
    wait_until(hub.ready, 20, f"the hub is ready after {name} was killed")
