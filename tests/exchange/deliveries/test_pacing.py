"""A partner's own pace: its limit of requests a minute, Retry-After, and 429 without one."""

from bisect import bisect_left
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils import timezone

from ocpi_hub.exchange import clock
from ocpi_hub.exchange.calls.pacing import Pace
from ocpi_hub.exchange.deliveries import lanebreaker, lanes, outcomes
from ocpi_hub.exchange.messages import outbox
from ocpi_hub.exchange.models import DeadLetter, Delivery, Lane
from ocpi_hub.partners.models import Platform
from tests import examples
from tests.partners import enveloped

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def no_jitter(monkeypatch):
    monkeypatch.setattr(outcomes, "jitter", lambda: 0.0)


@pytest.fixture
def at(monkeypatch):
    """Sets the time that lanes go by."""
    monkeypatch.setattr(clock, "now", lambda: NOW)
    return lambda moment: monkeypatch.setattr(clock, "now", lambda: moment)


def push(cpo, count):
    for number in range(count):
        cpo.put(f"receiver/locations/NL/ABC/LOC{number}", examples.location(id=f"LOC{number}"))
    outbox.expand()
    Delivery.objects.update(next_attempt_at=NOW)


# ---------------------------------------------------------------------------------------------- the pace
def sent_at(per_minute, looks):
    """When requests go to a partner for whom endless work waits, by the moments at which a worker looks."""
    pace, paid_until, sent = Pace(per_minute), None, []
    for now in looks:
        free = pace.free(paid_until, now)
        sent += [now] * free
        paid_until = pace.paid(paid_until, now, free)
    return sent


def most_in_a_minute(sent):
    return max(bisect_left(sent, first + 60 * SECOND) - number for number, first in enumerate(sent))


@pytest.mark.parametrize("per_minute", [1, 2, 5, 6, 11, 12, 13, 30, 60, 100, 600, 6000])
@pytest.mark.parametrize("every", [0.05, 0.7, 5.0, 13.0])
def test_no_minute_holds_more_than_the_limit_and_most_hold_nearly_as_much(per_minute, every):
    sent = sent_at(per_minute, [NOW + number * every * SECOND for number in range(int(180 / every))])

    assert most_in_a_minute(sent) <= per_minute
    if every <= 0.7:
        assert len(sent) >= 3 * per_minute * 0.85


def test_after_a_quiet_hour_no_more_may_go_at_once():
    pace = Pace(60)
    assert (pace.burst, pace.free(None, NOW), pace.free(NOW - timedelta(hours=1), NOW)) == (5, 5, 5)


def test_what_is_paid_is_free_again_one_by_one():
    pace = Pace(60)
    paid = pace.paid(None, NOW, 5)
    assert pace.free(paid, NOW) == 0

    at = pace.free_at(paid)
    assert pace.free(paid, at - timedelta(milliseconds=1)) == 0
    assert pace.free(paid, at) == 1
    assert at - NOW == pace.interval


# ---------------------------------------------------------------------------------------------- the lane
def test_a_lane_sends_no_more_than_its_partner_takes_and_goes_on_by_itself(cpo, emsp, at):
    Platform.objects.filter(pk=emsp.platform.pk).update(deliveries_per_minute=24)
    push(cpo, 40)
    minutes = []
    for second in range(0, 180, 5):
        moment = NOW + second * SECOND
        at(moment)
        if emsp.platform.pk in lanes.due_platforms(moment):
            lanes.drain(emsp.platform.pk)
        minutes += [moment] * (len(emsp.calls) - len(minutes))

    assert most_in_a_minute(minutes) <= 24
    assert len(emsp.calls) == 40
    assert set(Delivery.objects.values_list("state", "tries", "exact")) == {("DELIVERED", 1, True)}


def test_a_lane_that_has_sent_its_share_is_not_due_and_says_why(cpo, emsp, at):
    Platform.objects.filter(pk=emsp.platform.pk).update(deliveries_per_minute=12)
    push(cpo, 3)

    assert lanes.drain(emsp.platform.pk) == 1
    lane = Lane.objects.get()
    assert (lane.rest_until, lane.rest_reason) == (NOW + 5 * SECOND, "it takes 12 requests a minute")
    assert lane.failures == 0
    assert lanes.due_platforms(NOW + 4.9 * SECOND) == []
    assert lanes.due_platforms(NOW + 5 * SECOND) == [emsp.platform.pk]


def test_the_question_whether_it_has_the_object_counts_as_well(cpo, emsp, at):
    Platform.objects.filter(pk=emsp.platform.pk).update(deliveries_per_minute=12)
    push(cpo, 1)
    lanes.drain(emsp.platform.pk)
    at(NOW + 60 * SECOND)
    cpo.patch("receiver/locations/NL/ABC/LOC0", {"name": "Now", "last_updated": "2026-03-01T09:00:00Z"})
    outbox.expand()
    Delivery.objects.filter(state="PENDING").update(next_attempt_at=NOW)
    emsp.answers.append(lambda request: enveloped(status_code=2003, http_status=404))
    lanes.drain(emsp.platform.pk)

    assert [call.method for call in emsp.calls] == ["PUT", "PATCH", "GET"]
    assert Lane.objects.get().rest_until == NOW + 70 * SECOND


def test_a_limit_is_a_number_of_requests():
    with pytest.raises(ValidationError) as refused:
        Platform(name="x", deliveries_per_minute=0).full_clean()
    assert "deliveries_per_minute" in refused.value.message_dict


# ------------------------------------------------------------------------------------------ Retry-After, 429
def busy(http_status, **headers):
    return lambda request: httpx.Response(http_status, headers=headers)


@pytest.mark.parametrize("http_status", [429, 503])
@pytest.mark.parametrize(
    ("header", "wait"),
    [("120", 120), ("Sun, 01 Mar 2026 12:02:00 GMT", 120), ("99999999", 3600), ("0", 1)],
)
def test_who_says_when_to_come_back_is_left_alone_until_then_and_has_not_failed(
    cpo, emsp, at, http_status, header, wait
):
    push(cpo, 7)
    emsp.answers.append(busy(http_status, **{"Retry-After": header}))
    lanes.drain(emsp.platform.pk)

    assert len(emsp.calls) == 1
    lane = Lane.objects.get()
    assert (lane.failures, lane.probe_at, lane.rest_until) == (0, None, NOW + wait * SECOND)
    assert lane.rest_reason == f"HTTP {http_status} without an OCPI envelope"
    assert not lanebreaker.is_open(emsp.platform.pk)
    assert sorted(Delivery.objects.values_list("state", "tries")) == [("PENDING", 0)] * 6 + [("PENDING", 1)]
    assert lanes.due_platforms(NOW + (wait - 0.5) * SECOND) == []
    assert lanes.drain(emsp.platform.pk) == 0

    emsp.answers.clear()
    at(NOW + wait * SECOND)
    assert lanes.due_platforms(NOW + wait * SECOND) == [emsp.platform.pk]
    assert lanes.drain(emsp.platform.pk) == 6  # the others


@pytest.fixture
def longest_wait(settings):
    settings.HUB_LONGEST_RETRY_AFTER = 10


def test_the_longest_wait_is_a_setting(cpo, emsp, at, longest_wait):
    push(cpo, 1)
    emsp.answers.append(busy(429, **{"Retry-After": "3600"}))
    lanes.drain(emsp.platform.pk)

    assert Lane.objects.get().rest_until == NOW + 10 * SECOND


@pytest.mark.parametrize(
    "headers", [{}, *({"Retry-After": text} for text in ("0", "-5", "soon", "Sun, 01 Mar 2020 12:00:00 GMT"))]
)
def test_429_without_a_time_to_come_slows_the_lane_down_more_each_time(cpo, emsp, at, headers):
    push(cpo, 9)
    emsp.answers.append(busy(429, **headers))
    moment, waits = NOW, []
    for _ in range(8):
        lanes.drain(emsp.platform.pk)
        rest_until = Lane.objects.get().rest_until
        waits.append((rest_until - moment).total_seconds())
        moment = rest_until
        at(moment)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    assert len(emsp.calls) == 8
    assert Lane.objects.get().failures == 0

    emsp.answers.clear()
    lanes.drain(emsp.platform.pk)
    assert Lane.objects.get().slowed == 0


def test_503_without_a_time_is_a_failure_like_any_other(cpo, emsp, at):
    push(cpo, 2)
    emsp.answers.append(busy(503))
    lanes.drain(emsp.platform.pk)

    lane = Lane.objects.get()
    assert (len(emsp.calls), lane.failures, lane.rest_until) == (2, 2, None)


def test_a_pause_ends_no_open_breaker(cpo, emsp, at):
    push(cpo, 1)
    Lane.objects.create(platform=emsp.platform, failures=7, probe_at=NOW)
    emsp.answers.append(busy(429, **{"Retry-After": "60"}))
    lanes.drain(emsp.platform.pk)

    lane = Lane.objects.get()
    assert (lane.failures, lane.rest_until) == (7, NOW + 60 * SECOND)


def test_one_delivery_that_is_always_too_much_is_given_up_in_the_end(cpo, emsp, at):
    Platform.objects.filter(pk=emsp.platform.pk).update(retry_schedule=[1])
    push(cpo, 1)
    emsp.answers.append(busy(429))
    for minute in range(2):
        at(NOW + minute * 60 * SECOND)
        Delivery.objects.update(next_attempt_at=NOW)
        lanes.drain(emsp.platform.pk)

    assert DeadLetter.objects.get().cause == "HTTP 429"


def test_the_next_try_comes_a_little_later_by_chance():
    from ocpi_hub.exchange.calls.verdicts import Result, Verdict, jitter, next_attempt

    result = Result(Verdict.TEMPORARY, "")
    assert {next_attempt(result, 1, [100], NOW, chance).at for chance in (0.0, 0.5, 1.0)} == {
        NOW + 100 * SECOND,
        NOW + 105 * SECOND,
        NOW + 110 * SECOND,
    }
    assert all(0 <= jitter() < 1 for _ in range(20))


def test_the_operator_sees_that_a_lane_pauses_and_why(cpo, emsp, admin_client):
    push(cpo, 1)
    until = timezone.now() + timedelta(hours=1)
    Lane.objects.create(platform=emsp.platform, rest_until=until, rest_reason="HTTP 429: slower, please")

    lane = admin_client.get(reverse("admin:exchange_lane_changelist")).content.decode()
    deliveries = admin_client.get(reverse("admin:exchange_delivery_changelist")).content.decode()

    assert f"pauses until {until:%Y-%m-%d %H:%M:%S}: HTTP 429: slower, please" in lane
    assert f"{until:%H:%M:%S}</td>" in deliveries
