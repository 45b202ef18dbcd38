"""What stays of a deleted object, and for how long."""

from datetime import timedelta

import pytest
from django.utils import timezone

from ocpi_hub.exchange import tasks
from ocpi_hub.exchange.objects import store
from tariffs.models import Tariff
from tests import examples

pytestmark = pytest.mark.django_db

PATH = "receiver/tariffs/NL/ABC"


@pytest.fixture
def deleted(cpo):
    """One Tariff that stays, and one that its owner deleted."""
    for tariff_id in ("TARIFF1", "TARIFF2"):
        cpo.put(f"{PATH}/{tariff_id}", examples.tariff(id=tariff_id))
    cpo.delete(f"{PATH}/TARIFF2")
    return Tariff.objects.get(object_id="TARIFF2").deleted_at


@pytest.mark.parametrize(("age", "left"), [(30, 1), (30.01, 0)])
def test_a_tombstone_stays_for_thirty_days(deleted, age, left):
    gone = store.forget_deleted(deleted + timedelta(days=age))

    assert gone == 1 - left
    assert Tariff.objects.exclude(deleted_at=None).count() == left
    assert Tariff.objects.filter(deleted_at=None).count() == 1


def test_housekeeping_takes_the_old_ones_away(deleted):
    Tariff.objects.filter(object_id="TARIFF2").update(deleted_at=timezone.now() - timedelta(days=31))

    tasks.housekeeping()

    assert list(Tariff.objects.values_list("object_id", flat=True)) == ["TARIFF1"]


def test_what_comes_after_its_tombstone_is_new(cpo, deleted):
    store.forget_deleted(deleted + timedelta(days=31))

    assert cpo.get(f"{PATH}/TARIFF2").codes == (404, 2001)
    assert cpo.put(f"{PATH}/TARIFF2", examples.tariff(id="TARIFF2")).codes == (201, 1000)


def test_a_delete_that_waits_longer_than_its_tombstone_is_over(cpo, emsp, deleted, deliver):
    """The partner was away for a month: it reads the list when it comes back."""
    store.forget_deleted(deleted + timedelta(days=31))

    deliver()

    assert [call.body["id"] for call in emsp.received()] == ["TARIFF1"]
