"""So many requests a minute, and so many at once, for each partner."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import pytest
import redis
from django.conf import settings
from rest_framework.exceptions import Throttled

from ocpi_hub.exchange.interfaces import views
from ocpi_hub.partners import throttling
from ocpi_hub.partners.models import Platform
from ocpi_hub.partners.throttling import Bulkhead, PartnerQuota, bulkhead


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """Another Redis, or none, may be named; nobody is paused."""
    monkeypatch.setattr(PartnerQuota, "paused_until", 0.0)
    monkeypatch.setattr(PartnerQuota, "counted", {})
    throttling._redis.cache_clear()
    yield
    throttling._redis().close()
    throttling._redis.cache_clear()


@pytest.fixture
def noon(monkeypatch):
    """The clock stands at twenty seconds past a minute, and Redis has all the time it needs."""
    monkeypatch.setattr(throttling.time, "time", lambda: 600_000_020.0)
    patient = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=30)
    monkeypatch.setattr(throttling, "_redis", cache(lambda: patient))
    patient.flushdb()
    yield
    patient.close()


# ------------------------------------------------------------------------------------------------- quotas
def test_requests_above_the_quota_wait_for_the_next_minute(cpo, emsp, noon):
    Platform.objects.update(requests_per_minute=2)
    answers = [cpo.get("sender/tokens") for _ in range(3)]

    assert [answered.codes for answered in answers] == [(200, 1000), (200, 1000), (429, 2000)]
    assert answers[2].headers["Retry-After"] == "40"
    assert emsp.get("sender/locations").codes == (200, 1000)


def test_a_new_minute_is_a_new_quota(cpo, noon):
    cpo.platform.requests_per_minute = 50
    assert [PartnerQuota.count(cpo.platform, window) for window in (1, 1, 2, 1)] == [1, 2, 1, 3]


def test_redis_is_told_of_a_busy_partner_several_requests_at_a_time(cpo, noon, monkeypatch):
    cpo.platform.requests_per_minute = 300
    clock = [1000.0]
    monkeypatch.setattr(throttling.time, "monotonic", lambda: clock[0])
    redis, counts, told = throttling._redis(), [], []
    for _ in range(7):
        counts.append(PartnerQuota.count(cpo.platform, 1))
        told.append(int(redis.get(redis.keys("quota:*")[0])))
    clock[0] += 0.2
    # Another process has counted as well.
    redis.incrby(redis.keys("quota:*")[0], 10)
    counts.append(PartnerQuota.count(cpo.platform, 1))

    assert counts == [1, 2, 3, 4, 5, 6, 7, 18]
    assert told == [1, 1, 1, 1, 5, 5, 5]


def test_a_busy_partner_is_stopped_at_its_quota_all_the_same(cpo, noon):
    Platform.objects.update(requests_per_minute=300)
    codes = [cpo.get("sender/tokens?limit=1").http_status for _ in range(303)]

    assert codes == [200] * 300 + [429] * 3


def test_counts_do_not_stay(cpo, noon):
    PartnerQuota.count(cpo.platform, 1)
    (key,) = throttling._redis().keys("quota:*")

    assert 0 < throttling._redis().ttl(key) <= 2 * throttling.WINDOW


@pytest.mark.parametrize(("own", "quota"), [(None, 77), (5, 5), (0, 0)])
def test_a_partner_has_a_quota_of_its_own_or_the_hubs(settings, own, quota):
    settings.HUB_REQUESTS_PER_MINUTE = 77

    assert Platform(requests_per_minute=own).quota == quota


def test_who_is_no_platform_is_not_counted():
    class Request:
        user = None

    assert PartnerQuota().allow_request(Request(), None) is True


class Listener:
    """A Redis that takes connections and never answers; `close` makes it one that is down."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.socket.getsockname()[1]
        self.taken = []
        self.thread = threading.Thread(target=self._take, daemon=True)
        self.thread.start()

    def _take(self):
        while True:
            try:
                self.taken.append(self.socket.accept()[0])
            except OSError:
                return

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join(10)
        for taken in self.taken:
            taken.close()


@pytest.fixture
def attempts(monkeypatch):
    """How often a connection to Redis was tried."""
    import redis

    tried = []
    connect = redis.Connection._connect

    def counted(self):
        tried.append(self.socket_connect_timeout)
        return connect(self)

    monkeypatch.setattr(redis.Connection, "_connect", counted)
    return tried


@pytest.mark.parametrize("redis", ["down", "silent"])
def test_without_redis_everybody_passes_and_it_is_asked_once_a_pause(
    cpo, settings, monkeypatch, attempts, redis
):
    listener = Listener()
    settings.REDIS_URL = f"redis://127.0.0.1:{listener.port}/0"
    throttling._redis.cache_clear()
    if redis == "down":
        listener.close()
    clock = [1000.0]
    monkeypatch.setattr(throttling.time, "monotonic", lambda: clock[0])
    Platform.objects.update(requests_per_minute=1)
    try:
        assert [cpo.get("sender/tokens").codes for _ in range(5)] == [(200, 1000)] * 5
        assert attempts == [0.05]

        clock[0] += throttling.REDIS_PAUSE
        assert cpo.get("sender/tokens").codes == (200, 1000)
        assert attempts == [0.05, 0.05]
    finally:
        if redis == "silent":
            listener.close()


def test_redis_is_given_a_short_time_only():
    options = throttling._redis().connection_pool.connection_kwargs

    assert (options["socket_timeout"], options["socket_connect_timeout"]) == (0.05, 0.05)


# ----------------------------------------------------------------------------------------------- bulkheads
def test_a_partner_works_on_so_many_at_once(settings):
    settings.HUB_CONCURRENT_REQUESTS = 2
    rooms = Bulkhead("HUB_CONCURRENT_REQUESTS", bulkhead.full)
    with rooms.place(1), rooms.place(1):
        with pytest.raises(Throttled, match="too many of your requests"), rooms.place(1):
            pass
        with rooms.place(2):
            pass
    with rooms.place(1):
        pass

    assert rooms._running == {}


def test_a_place_is_released_after_an_error(settings):
    settings.HUB_CONCURRENT_REQUESTS = 1
    rooms = Bulkhead("HUB_CONCURRENT_REQUESTS", bulkhead.full)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), rooms.place(1):
            1 / 0  # noqa: B018

    assert rooms._running == {}


def test_whoever_waits_leaves_its_place_and_comes_back_above_the_limit(settings):
    settings.HUB_CONCURRENT_REQUESTS = 1
    rooms = Bulkhead("HUB_CONCURRENT_REQUESTS", bulkhead.full)
    with rooms.place(1):
        with rooms.left():
            other = rooms.place(1)
            other.__enter__()
        assert rooms._running == {1: 2}
        other.__exit__(None, None, None)
        with pytest.raises(Throttled), rooms.place(1):
            pass

    assert rooms._running == {}


def test_a_thread_that_has_no_place_leaves_none(settings):
    rooms = Bulkhead("HUB_CONCURRENT_REQUESTS", bulkhead.full)

    def leave():
        with rooms.left():
            return dict(rooms._running)

    with rooms.place(1), ThreadPoolExecutor(1) as threads:
        assert threads.submit(leave).result() == {1: 1}
        with rooms.left(), rooms.left():
            assert leave() == {}
    assert rooms._running == {}


@pytest.mark.parametrize(
    ("method", "path", "body", "codes"),
    [
        ("GET", "sender/tokens", None, (200, 1000)),
        ("GET", "sender/tokens?limit=0", None, (200, 2001)),
        ("GET", "receiver/locations/NL/ABC/NONE", None, (404, 2003)),
        ("PUT", "receiver/locations/NL/ABC/LOC1", b"{", (400, 2000)),
        ("POST", "receiver/locations/NL/ABC/LOC1", b"{}", (405, 2000)),
        ("GET", "receiver/nothing", None, (404, 2000)),
    ],
)
def test_every_answer_releases_its_place(cpo, method, path, body, codes):
    assert cpo.request(method, path, body).codes == codes
    assert bulkhead._running == {}


def test_a_request_of_an_unknown_party_releases_its_place(cpo):
    cpo.party = "NL*XYZ"

    assert cpo.get("sender/tokens").codes == (200, 2001)
    assert bulkhead._running == {}


def test_a_fault_of_the_hub_releases_its_place(cpo, monkeypatch):
    monkeypatch.setattr(views, "page", lambda *args: 1 / 0)

    assert cpo.get("sender/tokens").codes == (500, 3000)
    assert bulkhead._running == {}


def test_above_its_places_a_partner_is_told_to_come_back(cpo, emsp, settings):
    settings.HUB_CONCURRENT_REQUESTS = 1
    with bulkhead.place(cpo.platform.pk):
        refused = cpo.get("sender/tokens")
        assert (refused.codes, refused.headers["Retry-After"]) == ((429, 2000), "1")
        assert emsp.get("sender/locations").codes == (200, 1000)

    assert cpo.get("sender/tokens").codes == (200, 1000)


@pytest.mark.parametrize(
    ("now", "seconds"), [(1_000_000_020.0, 60.0), (1_000_000_079.5, 1.0), (1_000_000_080.1, 1.0)]
)
def test_the_wait_ends_with_the_minute_that_was_counted_in(monkeypatch, now, seconds):
    quota = throttling.PartnerQuota()
    quota.window = 1_000_000_020 // 60
    monkeypatch.setattr(throttling.time, "time", lambda: now)

    assert quota.wait() == seconds
