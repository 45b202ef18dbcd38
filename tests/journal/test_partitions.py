"""Hops have partitions by kind of data and by day, and each kind a time of its own (ocpi_hub/journal/partitions.py)."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from ocpi_hub.exchange.housekeeping import upkeep
from ocpi_hub.journal import partitions
from ocpi_hub.journal.kinds import Kind, kind_of
from ocpi_hub.journal.models import Hop, Look

pytestmark = pytest.mark.django_db
DAY = date(2031, 5, 10)


def hop(kind, at):
    return Hop.objects.create(
        kind=kind, at=at, direction="IN", platform_id=1, from_party="", to_party="", module="sessions",
        interface="receiver", method="PUT", url="u", remote="", request_headers={}, request_body="",
        request_size=0, answer_headers={}, answer_body="", answer_size=0, failure="", milliseconds=1,
        request_id="r", correlation_id="c", refs=[],
    )  # fmt: skip


def tables():
    with connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text FROM journal_hop ORDER BY id")
        return [row[0] for row in cursor.fetchall()]


@pytest.mark.parametrize(
    ("module", "kind"),
    [
        ("tokens", "drivers"), ("sessions", "drivers"), ("commands", "drivers"), ("chargingprofiles", "drivers"),
        ("callbacks", "drivers"), ("mistyped", "drivers"), ("cdrs", "invoices"), ("locations", "places"),
        ("tariffs", "places"), ("credentials", "connections"), ("hubclientinfo", "connections"),
    ],
)  # fmt: skip
def test_each_module_is_of_a_kind_of_data(module, kind):
    assert kind_of(module) == kind


def test_today_is_prepared_after_migrating():
    today = timezone.now().date()

    assert all(today in days.existing() for days in partitions.KINDS.values())


def test_a_hop_stands_in_the_day_of_its_kind_and_one_before_its_day_moves_there():
    partitions.prepare(DAY)
    hop(Kind.INVOICES, datetime(2031, 5, 10, 23, 59, tzinfo=UTC))
    hop(Kind.DRIVERS, datetime(2031, 7, 1, tzinfo=UTC))

    assert tables() == ["journal_hop_invoices_2031_05_10", "journal_hop_drivers_rest"]
    partitions.prepare(date(2031, 7, 1))

    assert tables() == ["journal_hop_invoices_2031_05_10", "journal_hop_drivers_2031_07_01"]


def test_each_kind_is_dropped_when_its_own_time_is_over(settings):
    settings.HUB_JOURNAL_DAYS = {"drivers": 2, "invoices": 30, "places": 1, "connections": 30}
    partitions.prepare(DAY)
    for kind in Kind:
        hop(kind, datetime(2031, 5, 10, 12, tzinfo=UTC))
        hop(kind, datetime(2030, 1, 1, tzinfo=UTC))

    dropped = partitions.drop_old(DAY + timedelta(days=3))

    assert dropped[Kind.DRIVERS][-1] == DAY
    assert dropped[Kind.PLACES][-1] == DAY + timedelta(days=1)
    assert tables() == ["journal_hop_invoices_2031_05_10", "journal_hop_connections_2031_05_10"]


def test_who_looked_is_known_as_long_as_what_was_done_with_dead_letters(settings):
    settings.HUB_AUDIT_DAYS = 10
    for day in (DAY, DAY + timedelta(days=1)):
        at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        Look.objects.create(at=at, who=str(day), asked="S1", correlation_ids=["c"])

    partitions.drop_old(DAY + timedelta(days=11))

    assert [look.who for look in Look.objects.all()] == ["2031-05-11"]


def test_the_upkeep_prepares_and_drops(settings):
    settings.HUB_JOURNAL_DAYS = dict.fromkeys(Kind.values, 30)
    old, places = timezone.now().date() - timedelta(days=40), partitions.KINDS[Kind.PLACES]
    partitions.prepare(old)
    newest = max(places.existing())
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE journal_hop_places_{newest:%Y_%m_%d}")

    upkeep.do_what_is_due()

    assert newest in places.existing()
    assert old not in places.existing()
