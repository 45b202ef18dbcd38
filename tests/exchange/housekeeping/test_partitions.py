"""The attempts' table, a partition a day."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from ocpi_hub.exchange import tasks
from ocpi_hub.exchange.housekeeping import partitions
from ocpi_hub.exchange.messages import outbox
from ocpi_hub.exchange.models import Attempt, Delivery, Message
from tests import examples

pytestmark = pytest.mark.django_db
DAY = date(2031, 5, 10)


def attempt(at):
    return Attempt.objects.create(
        at=at, delivery_id=1, platform_id=1, method="PUT", url="u", request_id="r", correlation_id="c",
        outcome="o", milliseconds=1,
    )  # fmt: skip


def test_the_days_from_yesterday_to_a_fortnight_ahead_are_prepared_once():
    made = partitions.prepare(DAY)

    assert made == [DAY + timedelta(days=offset) for offset in range(-1, 15)]
    assert partitions.prepare(DAY) == []
    assert partitions.prepare(DAY + timedelta(days=1)) == [DAY + timedelta(days=15)]


def test_today_is_prepared_after_migrating():
    assert timezone.now().date() in partitions.existing()


def test_rows_that_came_before_their_day_was_prepared_move_into_it():
    kept = attempt(datetime(2031, 5, 10, 23, 59, tzinfo=UTC))
    attempt(datetime(2031, 7, 1, tzinfo=UTC))
    partitions.prepare(DAY)

    assert Attempt.objects.filter(pk=kept.pk).exists()
    assert Attempt.objects.count() == 2
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text FROM exchange_attempt WHERE id = %s", [kept.pk])
        assert cursor.fetchone()[0] == "exchange_attempt_2031_05_10"


def test_old_days_are_dropped_with_their_rows(settings):
    settings.HUB_ATTEMPT_DAYS = 10
    partitions.prepare(DAY)
    attempt(datetime(2031, 5, 9, tzinfo=UTC))
    attempt(datetime(2031, 5, 10, tzinfo=UTC))
    dropped = partitions.drop_old(DAY + timedelta(days=10))

    assert dropped[-1] == DAY - timedelta(days=1)
    assert DAY in partitions.existing()
    assert Attempt.objects.count() == 1


@pytest.mark.parametrize(
    ("state", "age", "kept"),
    [
        ("DELIVERED", 91, False),
        ("ABSORBED", 91, False),
        ("DELIVERED", 89, True),
        ("FAILED", 400, True),
        ("PENDING", 400, True),
    ],
)
def test_what_was_finished_long_ago_is_deleted(cpo, emsp, settings, state, age, kept):
    settings.HUB_MESSAGE_DAYS = 90
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    outbox.expand()
    then = timezone.now() - timedelta(days=age)
    Delivery.objects.update(state=state, finished_at=None if state == "PENDING" else then)
    Message.objects.update(expanded_at=then)

    assert partitions.delete_finished() == (0 if kept else 2)
    assert (Delivery.objects.count(), Message.objects.count()) == ((1, 1) if kept else (0, 0))


def test_a_message_that_waits_is_kept_and_one_for_nobody_is_not(cpo, monkeypatch):
    monkeypatch.setattr(partitions, "DELETE_AT_ONCE", 1)
    for number in range(3):
        cpo.put(f"receiver/locations/NL/ABC/LOC{number}", examples.location(id=f"LOC{number}"))
    waiting = Message.objects.first()
    Message.objects.exclude(pk=waiting.pk).update(expanded_at=timezone.now() - timedelta(days=400))

    assert partitions.delete_finished() == 2
    assert list(Message.objects.all()) == [waiting]


def test_housekeeping_does_all_of_it(settings):
    settings.HUB_ATTEMPT_DAYS = 30
    old = timezone.now().date() - timedelta(days=40)
    partitions.prepare(old)
    newest = max(partitions.existing())
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE exchange_attempt_{newest:%Y_%m_%d}")

    tasks.housekeeping()

    assert newest in partitions.existing()
    assert old not in partitions.existing()
