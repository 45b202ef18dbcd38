"""`/metrics`: what all processes count, and how things stand in PostgreSQL, as Prometheus reads it."""

import ipaddress
import logging
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTime

from django.conf import settings
from django.db import Error, connection, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from ocpi_hub import metrics

logger = logging.getLogger(__name__)

FRESH = 5.0  # seconds that what was read is told again, so that scrapers cannot keep the database busy
PATIENCE = 3.0  # seconds that a scrape waits for the database; Prometheus itself waits ten


@csrf_exempt
@require_safe
def answer(request: HttpRequest) -> HttpResponse:
    if not may_scrape(request):
        refusal = JsonResponse(
            {"detail": "a bearer token, or an address of this machine, opens this"}, status=401
        )
        refusal["WWW-Authenticate"] = "Bearer"
        return refusal
    everything = CollectorRegistry(auto_describe=False)
    everything.register(metrics.Everybody(settings.HUB_METRICS_FOLDER))
    everything.register(_State(state.read()))
    return HttpResponse(generate_latest(everything), content_type=CONTENT_TYPE_PLAIN_0_0_4)


def may_scrape(request: HttpRequest) -> bool:
    """With HUB_METRICS_TOKEN whoever has it; without, this machine, unless a proxy on it asks for somebody else."""
    if settings.HUB_METRICS_TOKEN:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        return scheme.lower() == "bearer" and constant_time_compare(given.strip(), settings.HUB_METRICS_TOKEN)
    return _is_here(request.META.get("REMOTE_ADDR", "")) and not request.META.get("FORWARDED_BY_STRANGER")


def _is_here(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.removeprefix("::ffff:")).is_loopback
    except ValueError:
        return False


class _State:
    """A collector of what was read."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self.families = families

    def collect(self) -> Iterable[Metric]:
        return self.families


class State:
    """How things stand, read by one thread at a time; a database that is away costs a scrape some seconds at most."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="metrics")
        self._reading: Future[list[Metric]] | None = None
        self._begun_at = float("-inf")

    def read(self) -> list[Metric]:
        """All families, or `hub_up_database 0` alone."""
        if not settings.HUB_BACKGROUND:  # a test reads in its own transaction
            return _read()
        with self._lock:
            fresh = time.monotonic() - self._begun_at < FRESH
            if self._reading is None or (self._reading.done() and not fresh):
                self._reading, self._begun_at = self._thread.submit(_read_and_close), time.monotonic()
            reading = self._reading
        try:
            return reading.result(timeout=PATIENCE)
        except NotInTime:
            return [_up(False)]


state = State()


def _read_and_close() -> list[Metric]:
    try:
        return _read()
    finally:
        connection.close()


def _read() -> list[Metric]:
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL statement_timeout = '2s'")
            return [_up(True), *_families()]
    except Error as error:
        logger.warning("/metrics is without the state: the database refused: %s", type(error).__name__)
        return [_up(False)]


def _families() -> Iterator[Metric]:
    for read in metrics.states:
        yield from read()


def _up(answers: bool) -> Metric:
    return metrics.gauge("hub_up_database", "Whether PostgreSQL answers.", [({}, answers)])
