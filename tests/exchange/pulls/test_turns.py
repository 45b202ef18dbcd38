"""A partner's limit of requests a minute holds for pages of pulls and deliveries together, deliveries first."""

from bisect import bisect_left
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from ocpi_hub import background
from ocpi_hub.errorreports.models import ErrorReport
from ocpi_hub.exchange import clock
from ocpi_hub.exchange.calls import pacing
from ocpi_hub.exchange.deliveries import lanes, outcomes
from ocpi_hub.exchange.messages import outbox
from ocpi_hub.exchange.models import Delivery, Lane, Pull
from ocpi_hub.exchange.pulls import sync, turns
from ocpi_hub.partners.models import Platform
from tests import examples

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("two_modules")]

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def at(monkeypatch):
    """Sets the time."""
    monkeypatch.setattr(outcomes, "jitter", lambda: 0.0)
    monkeypatch.setattr(clock, "now", lambda: NOW)
    return lambda moment: monkeypatch.setattr(clock, "now", lambda: moment)


@pytest.fixture
def limited(cpo):
    """A partner that takes 24 requests a minute, with a list of sixty pages."""
    Platform.objects.filter(pk=cpo.platform.pk).update(deliveries_per_minute=24)
    cpo.lists["locations"], cpo.page_size = [examples.location(id=f"LOC{number}") for number in range(60)], 1
    return cpo


def deliveries_wait(emsp, count):
    for number in range(count):
        emsp.put(f"receiver/tokens/DE/MSP/T{number}", examples.token(uid=f"T{number}"))
    outbox.expand()
    Delivery.objects.update(next_attempt_at=NOW)


def pull(partner):
    (report,) = sync.pull_platform(partner.platform.pk, "locations", full=True)
    return report.pull


def live(partner, at, seconds):
    """What a worker does that looks every five seconds; the moment of each request, and whether it was a page."""
    made = []
    for second in range(0, seconds, 5):
        moment = NOW + second * SECOND
        at(moment)
        if partner.platform.pk in lanes.due_platforms(moment):
            lanes.drain(partner.platform.pk)
        if not Pull.objects.filter(state="DONE").exists():
            pull(partner)
        made += [(moment, call.method == "GET") for call in partner.calls[len(made) :]]
    return made


def most_in_a_minute(made):
    moments = [moment for moment, _ in made]
    return max(bisect_left(moments, first + 60 * SECOND) - number for number, first in enumerate(moments))


def test_a_pull_asks_for_no_more_pages_than_the_partner_takes_and_goes_on_by_itself(limited, at):
    made = live(limited, at, 200)

    assert most_in_a_minute(made) <= 24
    assert len(made) == 60
    assert Pull.objects.get().state == "DONE"


def test_while_deliveries_wait_they_go_first_and_a_list_is_read_all_the_same(limited, emsp, at):
    deliveries_wait(emsp, 150)

    made = live(limited, at, 240)

    pages = sum(is_page for _, is_page in made)
    assert most_in_a_minute(made) <= 24
    assert len(made) >= 0.75 * 24 * 4
    assert 0.05 * len(made) <= pages <= 0.15 * len(made)


def test_when_no_delivery_waits_any_more_the_pages_have_the_limit_to_themselves(limited, emsp, at):
    deliveries_wait(emsp, 10)

    made = live(limited, at, 240)

    assert most_in_a_minute(made) <= 24
    assert (len(made), sum(is_page for _, is_page in made)) == (70, 60)


def test_it_waits_in_its_row_and_is_no_failure(limited):
    pull(limited)
    row = pull(limited)

    assert (row.state, row.error) == (
        "WAITING", "the partner takes 24 requests a minute, and these are used up",
    )  # fmt: skip
    assert NOW < row.resume_at <= NOW + 5 * SECOND
    background.flush()
    assert not ErrorReport.objects.exists()


def test_a_page_waits_for_whoever_works_the_lane(limited):
    Lane.objects.create(platform=limited.platform, holder="a worker", held_until=NOW + 60 * SECOND)

    row = pull(limited)

    assert (row.error, row.resume_at) == (
        "the partner takes 24 requests a minute, and deliveries are being sent", NOW + 5 * SECOND,
    )  # fmt: skip
    assert limited.calls == []
    assert Lane.objects.get().paid_until is None


def test_a_request_is_left_for_a_page_whose_turn_has_come_and_not_for_ever(limited, emsp, at):
    deliveries_wait(emsp, 9)
    lane = Lane.objects.create(platform=limited.platform, page_waits_until=NOW + SECOND)

    assert lanes.drain(limited.platform.pk) == 1  # of the two that may go at once
    Lane.objects.filter(pk=lane.pk).update(page_waits_until=NOW)
    assert lanes.drain(limited.platform.pk) == 1


def test_a_partner_that_asked_deliveries_to_pause_is_not_pulled_meanwhile_with_or_without_a_limit(
    cpo, emsp, at
):
    cpo.lists["locations"] = [examples.location()]
    deliveries_wait(emsp, 1)
    cpo.answers.append(lambda request: httpx.Response(429, headers={"Retry-After": "90"}))
    lanes.drain(cpo.platform.pk)
    cpo.answers.clear()
    calls = len(cpo.calls)

    row = pull(cpo)

    assert (row.state, row.resume_at, len(cpo.calls)) == ("WAITING", NOW + 90 * SECOND, calls)
    assert row.error == "its deliveries pause as well: HTTP 429 without an OCPI envelope"
    at(NOW + 90 * SECOND)
    assert pull(cpo).state == "DONE"


def test_deliveries_that_their_breaker_holds_back_hold_no_page_back(limited, emsp):
    deliveries_wait(emsp, 1)
    Lane.objects.create(
        platform=limited.platform, failures=5, probe_at=NOW + 60 * SECOND, page_paid_at=NOW - SECOND
    )

    pull(limited)

    assert len(limited.calls) == 2


def test_without_a_limit_nothing_is_paid(cpo):
    cpo.lists["locations"] = [examples.location()]

    assert pull(cpo).state == "DONE"
    assert not Lane.objects.exists()


def test_the_share_of_pages_is_of_the_limit():
    lane = Lane(platform=Platform(deliveries_per_minute=60), page_paid_at=NOW)
    pace = pacing.pace_of(lane)

    assert turns._turn(lane, pace) - NOW == 10 * pace.interval
