"""Provokers of faults of the hub itself, and of what its reconciliation finds."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import psycopg
import redis
from django.db import OperationalError
from django.utils import timezone

from ocpi_hub import background
from ocpi_hub.errorreports import alerts, digests
from ocpi_hub.errorreports.occurrences import note
from ocpi_hub.exchange.deliveries import lanes
from ocpi_hub.exchange.messages import outbox
from ocpi_hub.exchange.models import Delivery, Tally
from ocpi_hub.exchange.objects import tally
from ocpi_hub.partners.directory import Directory
from ocpi_hub.partners.throttling import PartnerQuota
from ocpi_hub.proof import runs
from tests import examples
from tests.errorreports.provoked.stage import LOC1, PUT_TOKEN, UID, Stage, later
from tests.partners import enveloped


def _breaks(error: Exception) -> Callable[..., Any]:
    def work(*_: Any, **__: Any) -> Any:
        raise error

    return work


def stopped_on_a_fault(stage: Stage) -> None:
    stage.monkeypatch.setattr("ocpi_hub.exchange.interfaces.views.store.put", _breaks(KeyError(UID)))
    stage.emsp.put(PUT_TOKEN, stage.token())


def without_database(stage: Stage) -> None:
    stage.monkeypatch.setattr(
        "ocpi_hub.exchange.interfaces.views.store.put", _breaks(OperationalError("gone"))
    )
    stage.emsp.put(PUT_TOKEN, stage.token())


def without_redis(stage: Stage) -> None:
    class Silent:
        def pipeline(self, **_: Any) -> Any:
            raise redis.ConnectionError("gone")

    stage.monkeypatch.setattr("ocpi_hub.partners.throttling._redis", Silent)
    stage.monkeypatch.setattr(PartnerQuota, "counted", {})
    stage.monkeypatch.setattr(PartnerQuota, "paused_until", 0.0)
    stage.emsp.get("sender/locations")
    stage.monkeypatch.setattr(PartnerQuota, "paused_until", 0.0)


def deaf(stage: Stage) -> None:
    Directory()._say_that_nothing_is_heard(psycopg.OperationalError("gone"))


def with_other_keys(stage: Stage) -> None:
    stage.change(stage.cpo, token_cipher="of-another-key")
    stage.relay_token()


def miscounted(stage: Stage) -> None:
    stage.cpo.put(LOC1, examples.location())
    Tally.objects.all().delete()
    tally.compare()


def nobody_hears(stage: Stage) -> None:
    stage.settings.HUB_ALERT_URL = "https://alerts.example/hub"
    stage.monkeypatch.setattr(alerts, "transport", httpx.MockTransport(lambda request: httpx.Response(500)))
    stage.monkeypatch.setattr(alerts, "release_connection", lambda: None)  # the test is in a transaction
    note("request.no_token", None, "", "from 192.0.2.7: what the operators are to be told of")
    background.flush()
    alerts.tell_due(later(minutes=1))


def nobody_gets_mail(stage: Stage) -> None:
    stage.settings.EMAIL_HOST, stage.settings.HUB_OPERATORS = "mail.example", ["ann@hub.example"]
    stage.monkeypatch.setattr(digests, "release_connection", lambda: None)
    stage.monkeypatch.setattr(digests.EmailMessage, "send", _breaks(OSError("down")))
    note("request.no_token", None, "", "from 192.0.2.7: what the operators are to be told of")
    background.flush()
    digests.send_due(later(days=1))


def _two_cdrs_are_there(stage: Stage) -> None:
    """The provider took both, and shows the second one alone."""
    second = examples.cdr(id="CDR2")

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return enveloped(Location=f"https://msp.example/kept/{json.loads(request.read())['id']}")
        return enveloped(second) if request.url.path == "/kept/CDR2" else enveloped(None, 2001, 404)

    stage.emsp.answers.append(answer)
    for cdr in (examples.cdr(), second):
        stage.cpo.post("receiver/cdrs", cdr)
    outbox.expand()
    lanes.drain(stage.emsp.platform.pk)


def _reconcile(stage: Stage) -> None:
    run = runs.start(stage.emsp.platform, timezone.now(), module="cdrs")
    assert run is not None
    runs.follow(run, lambda seconds: None)


def lost_what_it_acknowledged(stage: Stage) -> None:
    _two_cdrs_are_there(stage)
    _reconcile(stage)


def shows_nothing(stage: Stage) -> None:
    _two_cdrs_are_there(stage)
    gone = enveloped(None, 2001, 404)
    stage.emsp.answers.insert(0, lambda request: gone if "/kept/" in request.url.path else None)
    _reconcile(stage)


def was_never_sent(stage: Stage) -> None:
    _two_cdrs_are_there(stage)
    Delivery.objects.filter(path="NL/ABC/CDR1").delete()
    _reconcile(stage)


PROVOKERS: dict[str, Callable[[Stage], object]] = {
    "hub.fault": stopped_on_a_fault,
    "hub.database": without_database,
    "hub.redis": without_redis,
    "hub.notifications": deaf,
    "hub.secret_unreadable": with_other_keys,
    "hub.totals": miscounted,
    "hub.alerts": nobody_hears,
    "proof.lost": lost_what_it_acknowledged,
    "proof.none_found": shows_nothing,
    "proof.never_sent": was_never_sent,
    "hub.digest": nobody_gets_mail,
}
