"""Redis is away or silent: pushes are answered as before and reach their receivers all the same."""

import os
import signal
import statistics
import time
from collections.abc import Callable

import pytest

from simulator import ocpi
from tests import examples
from tests.journeys.conftest import MakeHub
from tests.journeys.hub import Hub, Simulated
from tests.journeys.processes import wait_until
from tests.journeys.redisserver import Redis

pytestmark = pytest.mark.journey

PUSHES = 100


CASES = [
    (Redis.kill, Redis.start, "ConnectionError"),
    (Redis.fall_silent, Redis.wake, "TimeoutError"),
]


@pytest.mark.parametrize(("leave", "come_back", "error"), CASES, ids=["down", "silent"])
def test_without_redis_pushes_are_answered_as_fast_and_delivered(
    new_hub: MakeHub,
    redis: Redis,
    leave: Callable[[Redis], None],
    come_back: Callable[[Redis], None],
    error: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    hub = new_hub(REDIS_URL=redis.url, HUB_TOTAL_TIMEOUT="2")
    cpo = hub.simulated("cpo", "NL-ABC", "--count", "0")
    emsp = hub.simulated("emsp", "DE-MSP", "--tokens", "0")
    story = Story(hub, cpo, emsp)
    story.push(20)

    before = story.push(PUSHES)
    story.arrive(20)
    leave(redis)
    began = time.monotonic()
    without = story.push(PUSHES)
    pushed = time.monotonic() - began
    missing = hub.http.get("/readyz")
    assert (missing.status_code, missing.json()["missing"]) == (503, [f"redis: {error}"])
    # While Redis is away the workers find what is due by themselves, also one that starts only now.
    story.arrive(30)
    by_sweep = time.monotonic() - began
    os.kill(hub.pid("worker"), signal.SIGKILL)
    story.push(10)
    story.arrive(40)
    come_back(redis)
    wait_until(hub.ready, 20, "the hub is ready again")
    after = story.push(PUSHES)
    story.arrive(30)

    medians = [1000 * statistics.median(spent) for spent in (before, without, after)]
    with capsys.disabled():
        print(
            f"\nA push takes {medians[0]:.1f} ms, without Redis {medians[1]:.1f} ms (at most"
            f" {1000 * max(without):.1f} ms, {PUSHES} in {pushed:.1f} s), afterwards {medians[2]:.1f} ms"
            f" (medians of {PUSHES}); what was pushed without Redis had arrived {by_sweep:.1f} s later"
        )
    assert medians[1] < 3 * max(medians[0], medians[2]) + 20
    # One request asks Redis in vain every five seconds, for 50 ms; none waits longer.
    assert max(without) < 1
    assert "quotas are not counted" in hub.log("web")


class Story:
    """Pushes of a few Locations, again and again."""

    def __init__(self, hub: Hub, cpo: Simulated, emsp: Simulated) -> None:
        self.hub, self.cpo, self.emsp = hub, cpo, emsp
        self.latest: dict[str, dict[str, object]] = {}

    def push(self, count: int) -> list[float]:
        spent = []
        for number in range(count):
            stamp = ocpi.format_time(ocpi.now())
            document = examples.location(id=f"LOC{number % 10}", name=f"Push {number}", last_updated=stamp)
            began = time.perf_counter()
            self.cpo.push(document)
            spent.append(time.perf_counter() - began)
            self.latest[f"NL/ABC/LOC{number % 10}"] = document
        return spent

    def arrive(self, timeout: float) -> None:
        wait_until(
            lambda: self.emsp.objects("locations") == self.latest, timeout, "the eMSP has the latest state"
        )
