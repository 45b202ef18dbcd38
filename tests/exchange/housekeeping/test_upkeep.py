"""What the hub does for itself: due for whoever looks first, once each time."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from ocpi_hub.exchange.housekeeping import partitions, sweeper, upkeep
from ocpi_hub.exchange.models import Upkeep

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def done(monkeypatch) -> list[str]:
    """What was done of two chores."""
    done: list[str] = []
    monkeypatch.setattr(upkeep, "_chores", [])
    upkeep.every("one", HOUR, lambda: done.append("one"))
    upkeep.every("other", HOUR, lambda: done.append("other"))
    return done


def test_what_is_due_is_done_once_and_again_when_its_time_has_come(done):
    assert upkeep.do_what_is_due() == ["one", "other"]
    assert upkeep.do_what_is_due() == []
    Upkeep.objects.filter(name="other").update(due_at=timezone.now())

    assert upkeep.do_what_is_due() == ["other"]
    assert done == ["one", "other", "other"]
    wait = Upkeep.objects.get(name="other").due_at - timezone.now()
    assert timedelta(minutes=59) < wait <= HOUR


def test_one_that_fails_is_tried_again_soon_and_keeps_no_other_from_being_done(done, monkeypatch, caplog):
    upkeep._chores.insert(0, upkeep.Chore("broken", HOUR, lambda: 1 / 0))

    assert upkeep.do_what_is_due() == ["one", "other"]

    wait = Upkeep.objects.get(name="broken").due_at - timezone.now()
    assert timedelta(minutes=4) < wait <= timedelta(minutes=5)
    assert "the upkeep 'broken' failed" in caplog.text


@pytest.mark.parametrize(
    ("every", "again"),
    [
        (timedelta(minutes=1), timedelta(minutes=5)),
        (timedelta(minutes=20), timedelta(minutes=20)),
        (timedelta(days=1), timedelta(hours=1)),
    ],
)
def test_what_its_process_did_not_live_to_finish_is_done_again_soon(done, monkeypatch, every, again):
    def killed():
        raise SystemExit

    monkeypatch.setattr(upkeep, "_chores", [upkeep.Chore("killed", every, killed)])
    began_at = timezone.now()

    with pytest.raises(SystemExit):
        upkeep.do_what_is_due()

    wait = Upkeep.objects.get(name="killed").due_at - began_at
    assert again <= wait < again + timedelta(minutes=1)


def test_what_every_day_or_minute_brings_is_done_without_beat_as_well():
    assert {
        ("compare totals of lists with what is there", timedelta(days=1)),
        ("compare what partners have of the list of clients", timedelta(days=1)),
        ("tell partners when our endpoints changed", timedelta(minutes=1)),
    } <= {(chore.name, chore.every) for chore in upkeep._chores}


def test_without_beat_a_workers_rounds_prepare_the_coming_days():
    newest = max(partitions.existing())
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE exchange_attempt_{newest:%Y_%m_%d}")
    assert newest not in partitions.existing()

    assert upkeep.do_what_is_due in sweeper.rounds()
    upkeep.do_what_is_due()

    assert newest in partitions.existing()


def test_every_chore_has_a_name_of_its_own():
    names = [chore.name for chore in upkeep._chores]

    assert len(names) == len(set(names)) >= 6
