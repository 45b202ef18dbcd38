"""Everything that can be killed is killed while everybody pushes to receivers that fail: nothing is lost.

HUB_JOURNEY_FAULTS=10000 and HUB_JOURNEY_KILLS=50 make the long form, with everybody of the cast; the seed that is
printed, as HUB_JOURNEY_SEED, lets the same be killed and fail again.
"""

import os
import random
import threading
import time

import psycopg
import pytest

from tests.journeys.conftest import MakeHub
from tests.journeys.crowd import CAST, SMALL, Crowd
from tests.journeys.hub import Hub
from tests.journeys.killing import Killer, SecondWorker
from tests.journeys.processes import wait_while_moving
from tests.journeys.weather import Weather

# It ends when nothing moves any more; the time is for a machine that is busy with other things.
pytestmark = [pytest.mark.journey, pytest.mark.timeout(3600)]

PUSHES = int(os.environ.get("HUB_JOURNEY_FAULTS", "600"))
KILLS = int(os.environ.get("HUB_JOURNEY_KILLS", "8"))
WHO = tuple(CAST) if "HUB_JOURNEY_FAULTS" in os.environ else SMALL
SEED = os.environ.get("HUB_JOURNEY_SEED") or str(random.randrange(10_000))
TIMEOUT = 4  # seconds that a receiver has for an answer; claims live twice as long
PATIENCE = 120.0  # seconds without any progress, after which the story fails


def test_nothing_is_lost_whatever_is_killed_and_whoever_fails(
    new_hub: MakeHub, capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        print(f"\nseed {SEED}: {PUSHES} pushes, {KILLS} kills, {len(WHO)} receivers", flush=True)
    schedule = ",".join(["1"] * 4 + ["2"] * 4 + ["4"] * 60)
    hub = new_hub(HUB_TOTAL_TIMEOUT=str(TIMEOUT), HUB_RETRY_SCHEDULE=schedule)
    crowd = Crowd(hub, WHO, SEED)
    killer = Killer(hub, SEED)
    began = time.monotonic()

    with SecondWorker(hub) as second:
        with Weather(list(crowd.cast.values()), SEED) as weather, Everybody(crowd):
            stopper = threading.Thread(target=stop_again_and_again, args=(second, weather.over))
            stopper.start()
            for number in range(KILLS):
                crowd.release(PUSHES // KILLS + (PUSHES % KILLS if not number else 0))
                half = PUSHES * (2 * number + 1) // (2 * KILLS)
                wait_while_moving(
                    lambda half=half: crowd.acknowledged >= half,
                    lambda: crowd.acknowledged,
                    PATIENCE,
                    f"{half} pushes are acknowledged",
                )
                killer.kill()
            wait_while_moving(
                lambda: crowd.done, lambda: crowd.acknowledged, PATIENCE, "all are acknowledged"
            )
        pushed = time.monotonic() - began
        stopper.join()
        wait_while_moving(
            lambda: is_settled(hub), lambda: progress(hub), PATIENCE, "nothing is under way any more"
        )
        settled = time.monotonic() - began

    faults = crowd.faults()
    given_up = hub.sql(
        "SELECT platform_id, module, path, reason FROM exchange_delivery WHERE state = 'FAILED'"
        " UNION ALL SELECT platform_id, module, path, cause FROM exchange_deadletter"
        " WHERE state IN ('OPEN', 'RETRYING')"
    )
    with capsys.disabled():
        tell(hub, crowd, killer, weather, second, pushed, settled)
        print("\n".join([*map(str, faults[:20]), *map(str, given_up[:20])]))
    refused = [said for pusher in crowd.pushers for said in pusher.refused]
    without_envelope = [said for pusher in crowd.pushers for said in pusher.without_envelope]
    assert (faults, given_up, refused, without_envelope) == ([], [], [], [])
    assert crowd.acknowledged == PUSHES
    assert killer.kills.total() == KILLS


class Everybody:
    """All who push, at once."""

    def __init__(self, crowd: Crowd) -> None:
        self.crowd = crowd

    def __enter__(self) -> None:
        for pusher in self.crowd.pushers:
            pusher.__enter__()

    def __exit__(self, *_: object) -> None:
        for pusher in self.crowd.pushers:
            pusher.__exit__()


def stop_again_and_again(second: SecondWorker, over: threading.Event) -> None:
    while not over.wait(3):
        second.stop_for(2.5 * TIMEOUT)


def is_settled(hub: Hub) -> bool:
    try:
        return hub.open_deliveries() == 0
    except psycopg.OperationalError:
        return False


def progress(hub: Hub) -> object:
    try:
        return hub.sql(
            "SELECT state, count(*), sum(tries) FROM exchange_delivery GROUP BY state ORDER BY state"
        )
    except psycopg.OperationalError:
        return None


def tell(
    hub: Hub,
    crowd: Crowd,
    killer: Killer,
    weather: Weather,
    second: SecondWorker,
    pushed: float,
    settled: float,
) -> None:
    deliveries = dict(hub.sql("SELECT state, count(*) FROM exchange_delivery GROUP BY state"))
    ((attempts,),) = hub.sql("SELECT count(*) FROM exchange_attempt")
    ((most,),) = hub.sql("SELECT coalesce(max(tries), 0) FROM exchange_delivery")
    modules = dict(crowd.told("pushed"))
    print(
        f"{crowd.acknowledged} pushes acknowledged ({modules}), answers {dict(crowd.told('answers'))};"
        f" {killer.kills.total()} kills {dict(killer.kills)}, a second worker stopped {second.stops} times;"
        f" receivers failed {dict(weather.met())};\n"
        f"deliveries {deliveries}, at most {most} tries, attempts {attempts}, CDRs sent again"
        f" {crowd.repeated_cdrs()}, deadlocks {hub.log('postgresql').count('deadlock detected')};"
        f" pushed in {pushed:.0f} s, settled after {settled:.0f} s"
    )
