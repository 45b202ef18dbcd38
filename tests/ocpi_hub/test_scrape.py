"""`/metrics`: what Prometheus reads, and who may."""

import logging
import re
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from ocpi_hub import background, metrics, scrape
from ocpi_hub.errorreports import occurrences
from ocpi_hub.errorreports.models import ErrorReport
from ocpi_hub.exchange.deliveries.lanebreaker import FAILURES_TO_OPEN
from ocpi_hub.exchange.housekeeping import gauges
from ocpi_hub.exchange.models import Delivery, Lane, Message, Pull
from ocpi_hub.partners.models import Platform, Status
from tests import examples
from tests.partners import Partner, enveloped

pytestmark = pytest.mark.django_db

TOKEN = "a-token-of-thirty-two-characters"


class Scraped(dict):
    """Samples by name and labels: `scraped("hub_up_database")`, `scraped("hub_queue_length", partner="MSP")`."""

    def __call__(self, name: str, **labels: str) -> float | None:
        wanted = labels.items()
        found = [
            value for (sample, held), value in self.items() if sample == name and wanted <= dict(held).items()
        ]
        return sum(found) if found else None


def scrape_now(client: Client, **extra: str) -> Scraped:
    response = client.get("/metrics", **extra)
    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/plain; version=0.0.4")
    families = text_string_to_metric_families(response.content.decode())
    return Scraped(
        {
            (sample.name, tuple(sample.labels.items())): sample.value
            for family in families
            for sample in family.samples
        }
    )


def grown(before: Scraped, after: Scraped, name: str, **labels: str) -> float:
    """Counters of a process go on from test to test."""
    return (after(name, **labels) or 0) - (before(name, **labels) or 0)


# --------------------------------------------------------------------------------------------- who may scrape
@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "127.9.9.9", "::ffff:127.0.0.1"])
def test_without_a_token_this_machine_may_scrape(client, address):
    assert client.get("/metrics", REMOTE_ADDR=address).status_code == 200


@pytest.mark.parametrize("address", ["10.0.0.1", "192.0.2.1", "2001:db8::1", "", "unknown"])
def test_without_a_token_nobody_else_may(client, address):
    response = client.get("/metrics", REMOTE_ADDR=address)

    assert response.status_code == 401
    assert response["WWW-Authenticate"] == "Bearer"
    assert b"hub_" not in response.content


def test_a_proxy_on_this_machine_that_is_not_trusted_opens_it_to_nobody(client):
    assert client.get("/metrics", REMOTE_ADDR="127.0.0.1", FORWARDED_BY_STRANGER="1").status_code == 401


def test_with_a_token_whoever_has_it_may_scrape_from_anywhere(client, settings):
    settings.HUB_METRICS_TOKEN = TOKEN

    bearer = {"REMOTE_ADDR": "192.0.2.1", "HTTP_AUTHORIZATION": f"Bearer {TOKEN}"}

    assert client.get("/metrics", **bearer).status_code == 200


@pytest.mark.parametrize("header", ["", TOKEN, f"Token {TOKEN}", "Bearer ", f"Bearer {TOKEN}x", "Bearer ü"])
def test_with_a_token_nobody_may_without_it_not_even_this_machine(client, settings, header):
    settings.HUB_METRICS_TOKEN = TOKEN

    response = client.get("/metrics", REMOTE_ADDR="127.0.0.1", HTTP_AUTHORIZATION=header)

    assert response.status_code == 401
    assert b"hub_" not in response.content


# ------------------------------------------------------------------------------------------------- what it says
def test_requests_are_counted_by_module_and_both_statuses(client, cpo):
    before = scrape_now(client)

    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    cpo.put("receiver/locations/NL/ABC/LOC1", {"id": "LOC1"})
    cpo.get("/ocpi/versions")
    client.get("/somewhere/else")
    client.generic("BREW", "/ocpi/2.2.1/receiver/locations/NL/ABC/LOC1")

    after = scrape_now(client)
    total = "hub_requests_total"
    put = {"module": "locations", "method": "PUT"}
    assert grown(before, after, total, **put, status="201", ocpi_status="1000") == 1
    assert grown(before, after, total, **put, status="200", ocpi_status="2001") == 1
    assert grown(before, after, total, module="versions", method="GET", status="200", ocpi_status="1000") == 1
    assert grown(before, after, total, module="other", method="GET", status="404") == 1
    assert grown(before, after, total, module="locations", method="other") == 1
    assert grown(before, after, "hub_request_duration_seconds_count", module="locations") == 3


def test_status_codes_of_a_partners_own_make_no_series_each(client, cpo, emsp):
    before = scrape_now(client)
    codes = iter((2345, 2346, 4711))
    emsp.answers.append(lambda request: enveloped(status_code=next(codes)))
    cpo.party = "NL*ABC"

    for _ in range(3):
        cpo.get("receiver/locations/NL/ABC/LOC1", **{"OCPI-to-country-code": "DE", "OCPI-to-party-id": "MSP"})

    after = scrape_now(client)
    asked = {"module": "locations", "method": "GET", "status": "200"}
    assert grown(before, after, "hub_requests_total", **asked, ocpi_status="2xxx") == 2
    assert grown(before, after, "hub_requests_total", **asked, ocpi_status="4xxx") == 1


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        (enveloped(), "delivered"),
        (enveloped(status_code=2001), "refused"),
        (enveloped(status_code=3000), "temporary"),
    ],
)
def test_attempts_are_counted_by_partner_module_and_result(client, cpo, emsp, deliver, answer, result):
    before = scrape_now(client)
    emsp.answers.append(lambda request: answer)

    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    deliver()

    after = scrape_now(client)
    partner = {"platform": str(emsp.platform.pk), "partner": "MSP"}
    assert grown(before, after, "hub_delivery_attempts_total", **partner) == 1
    assert (
        grown(before, after, "hub_delivery_attempts_total", **partner, module="locations", result=result) == 1
    )
    assert grown(before, after, "hub_delivery_attempt_duration_seconds_count", **partner) == 1


def test_relays_are_counted_and_timed_by_receiver(client, cpo, emsp):
    before = scrape_now(client)
    to_the_emsp = {"OCPI-to-country-code": "DE", "OCPI-to-party-id": "MSP"}
    cpo.party = "NL*ABC"

    cpo.get("receiver/locations/NL/ABC/LOC1", **to_the_emsp)
    emsp.answers.append(lambda request: enveloped(http_status=500))
    cpo.get("receiver/locations/NL/ABC/LOC1", **to_the_emsp)

    after = scrape_now(client)
    partner = {"platform": str(emsp.platform.pk), "partner": "MSP"}
    assert grown(before, after, "hub_relays_total", **partner, module="locations", result="answered") == 1
    assert grown(before, after, "hub_relays_total", **partner, module="locations", result="unusable") == 1
    assert grown(before, after, "hub_relay_duration_seconds_count", **partner) == 2


def test_the_queue_of_each_partner_has_a_length_and_an_age(client, cpo, emsp, stranger):
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    waiting = scrape_now(client)
    from ocpi_hub.exchange.messages import outbox

    outbox.expand()
    Delivery.objects.filter(platform=emsp.platform).update(created_at=timezone.now() - timedelta(minutes=5))
    expanded = scrape_now(client)

    assert (waiting("hub_messages_waiting"), waiting("hub_queue_length", partner="MSP")) == (1, 0)
    assert waiting("hub_queue_age_seconds", partner="MSP") == 0
    assert (expanded("hub_messages_waiting"), expanded("hub_messages_waiting_age_seconds")) == (0, 0)
    assert expanded("hub_queue_length", partner="MSP") == 1
    assert 300 <= expanded("hub_queue_age_seconds", partner="MSP") < 360
    assert expanded("hub_queue_length", partner="ABC") == 0


def test_an_unexpanded_message_grows_old(client, cpo):
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    Message.objects.update(created_at=timezone.now() - timedelta(hours=1))

    assert 3600 <= scrape_now(client)("hub_messages_waiting_age_seconds") < 3660


def test_dead_letters_are_told_by_partner(client, cpo, emsp, deliver):
    emsp.answers.append(lambda request: enveloped(status_code=2001))
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    deliver()

    scraped = scrape_now(client)

    assert scraped("hub_dead_letters", partner="MSP") == 1
    assert scraped("hub_dead_letters", partner="ABC") == 0


def test_lanes_tell_breaker_and_who_works_them(client, cpo, emsp):
    Lane.objects.create(platform=emsp.platform, failures=FAILURES_TO_OPEN)
    Lane.objects.create(platform=cpo.platform, held_until=timezone.now() + timedelta(seconds=9))

    scraped = scrape_now(client)

    assert [scraped(f"hub_lane_{name}", partner="MSP") for name in ("failures", "breaker_open", "held")] == [
        5,
        1,
        0,
    ]
    assert [scraped(f"hub_lane_{name}", partner="ABC") for name in ("failures", "breaker_open", "held")] == [
        0,
        0,
        1,
    ]


def test_offline_partners_are_told(client, cpo, emsp):
    Platform.objects.filter(pk=emsp.platform.pk).update(status=Status.OFFLINE)

    scraped = scrape_now(client)

    assert [scraped("hub_platform_offline", partner=name) for name in ("MSP", "ABC")] == [1, 0]
    assert [scraped("hub_platforms", status=name) for name in ("offline", "connected", "planned")] == [
        1,
        1,
        0,
    ]


def test_error_reports_are_told_by_kind_and_state(client, emsp):
    for module in ("locations", "tokens"):
        occurrences.write([occurrences.Noted("delivery.refused", emsp.platform.pk, module, "refused")])
    ErrorReport.objects.filter(module="tokens").update(state="ACKNOWLEDGED")

    scraped = scrape_now(client)

    assert scraped("hub_error_reports", kind="delivery.refused", state="open") == 1
    assert scraped("hub_error_reports", kind="delivery.refused", state="acknowledged") == 1


def test_no_query_of_a_scrape_reads_a_large_table_from_end_to_end(client, cpo, emsp):
    with CaptureQueriesContext(connection) as queries:
        list(gauges.read())

    read = [query["sql"] for query in queries]
    assert 8 <= len(read) <= 12
    with connection.cursor() as cursor:
        cursor.execute(
            "SET LOCAL enable_seqscan = off"
        )  # an empty table is read so whatever indexes there are
        for sql in read:
            cursor.execute(f"EXPLAIN {sql}")
            plan = "\n".join(row[0] for row in cursor.fetchall())
            assert not re.search(r"Seq Scan on exchange_(message|delivery|pull|deadletter)", plan), plan


def test_a_pull_is_counted_and_its_time_is_told(client, cpo):
    from ocpi_hub.exchange.pulls import sync

    before = scrape_now(client)
    cpo.lists["locations"] = [examples.location()]
    sync.pull_platform(cpo.platform.pk, "locations")
    cpo.answers.append(lambda request: enveloped(http_status=500))
    sync.pull_platform(cpo.platform.pk, "locations")

    after = scrape_now(client)
    done = Pull.objects.get(state=Pull.State.DONE)
    partner = {"partner": "ABC", "module": "locations"}
    assert grown(before, after, "hub_pulls_total", **partner, result="done") == 1
    assert grown(before, after, "hub_pulls_total", **partner, result="failed") == 1
    last = after("hub_pull_last_success_timestamp_seconds", **partner)
    assert last == pytest.approx(done.finished_at.timestamp(), abs=0.001)


def test_a_list_that_was_never_read_counts_from_the_registration(client, cpo):
    connected = timezone.now() - timedelta(days=2)
    Platform.objects.filter(pk=cpo.platform.pk).update(connected_at=connected)

    scraped = scrape_now(client)

    last = scraped("hub_pull_last_success_timestamp_seconds", partner="ABC", module="locations")
    assert last == pytest.approx(connected.timestamp(), abs=0.001)
    # It is no provider, and nobody reads Tokens there.
    assert scraped("hub_pull_last_success_timestamp_seconds", partner="ABC", module="tokens") is None


def test_rows_that_were_dropped_are_counted(client):
    writer = background.Writer("story", lambda rows: None, most=1)
    before = scrape_now(client)

    for row in range(4):
        writer.put(row)

    assert grown(before, scrape_now(client), "hub_background_rows_dropped_total", writer="story") == 3
    background.forget()
    background._writers.remove(writer)


# ------------------------------------------------------------------------------------------------- in trouble
def test_with_a_dead_database_it_answers_with_what_it_has(client, monkeypatch, caplog):
    metrics.requests.labels("locations", "PUT", "200", "1000").inc()

    def dead():
        raise OperationalError("connection to 10.0.0.1 refused")

    monkeypatch.setattr(metrics, "states", [dead])
    with caplog.at_level(logging.WARNING):
        scraped = scrape_now(client)

    assert scraped("hub_up_database") == 0
    assert scraped("hub_requests_total", module="locations", method="PUT") >= 1
    assert scraped("hub_queue_length") is None
    assert "10.0.0.1" not in caplog.text


def test_a_database_that_hangs_delays_no_scrape_and_is_asked_once(monkeypatch, settings):
    import threading

    settings.HUB_BACKGROUND = True
    monkeypatch.setattr(scrape, "PATIENCE", 0.01)
    asked, released = [], threading.Event()

    def hanging():
        asked.append(1)
        released.wait(10)
        return [metrics.gauge("hub_up_database", "", [({}, 1)])]

    monkeypatch.setattr(scrape, "_read_and_close", hanging)
    state = scrape.State()

    answers = [state.read()[0].samples[0].value for _ in range(3)]
    released.set()
    monkeypatch.setattr(scrape, "PATIENCE", 10)
    last = state.read()[0].samples[0].value

    assert (answers, last) == ([0, 0, 0], 1)
    assert len(asked) == 1


def test_what_was_read_is_told_again_for_some_seconds(monkeypatch, settings):
    settings.HUB_BACKGROUND = True
    asked = []
    monkeypatch.setattr(scrape, "_read_and_close", lambda: asked.append(1) or [])
    state = scrape.State()

    for _ in range(3):
        state.read()
    state._begun_at -= scrape.FRESH
    state.read()

    assert len(asked) == 2


def test_nothing_but_reading_is_allowed(client):
    assert client.post("/metrics").status_code == 405


def test_all_that_is_told_has_its_name_by_the_conventions(client, emsp: Partner):
    text = client.get("/metrics").content.decode()

    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert all(name.startswith("hub_") and families[name].documentation for name in families)
    counters = [sample.name for f in families.values() if f.type == "counter" for sample in f.samples]
    assert all(name.endswith("_total") for name in counters)
    assert str(settings.HUB_KEYS[0]) not in text
    assert emsp.token not in text
