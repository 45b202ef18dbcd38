"""How long each kind of data is kept."""

from datetime import timedelta

import pytest
from django.utils import timezone

from cdrs.models import CDR
from ocpi_hub.exchange.housekeeping import partitions, retention
from ocpi_hub.exchange.models import Grant, Pull, RefusedObject, Tally
from ocpi_hub.exchange.objects import removal, tally
from ocpi_hub.exchange.objects.ownedobject import owned_models
from ocpi_hub.exchange.pulls import sync
from sessions.models import Session
from tests import examples
from tests.partners import enveloped
from tokens.models import Authorization

pytestmark = pytest.mark.django_db
NOW = timezone.now()


def days_ago(days: float):
    return NOW - timedelta(days=days)


def aged(model, days: float, **which) -> None:
    model.objects.filter(**which).update(last_updated=days_ago(days), changed_at=days_ago(days))


@pytest.fixture
def two_sessions(cpo, emsp):
    for number in (1, 2):
        cpo.put(f"receiver/sessions/NL/ABC/S{number}", examples.session(id=f"S{number}"))
    return cpo


def test_sessions_go_after_their_days_and_the_totals_with_them(two_sessions, settings):
    settings.HUB_SESSION_DAYS = 100
    aged(Session, 101, object_id="S1")
    aged(Session, 99, object_id="S2")

    assert retention.apply(NOW)["sessions"] == 1

    assert list(Session.objects.values_list("object_id", flat=True)) == ["S2"]
    assert sum(Tally.objects.filter(module="sessions").values_list("count", flat=True)) == 1
    assert tally.compare() == 0


def test_what_the_hub_took_a_moment_ago_stays_however_old_it_says_it_is(two_sessions, settings):
    settings.HUB_SESSION_DAYS = 100
    Session.objects.update(last_updated=days_ago(5000))

    assert retention.apply(NOW)["sessions"] == 0
    assert Session.objects.count() == 2


def test_cdrs_are_kept_unless_a_setting_says_so(cpo, emsp, settings):
    cpo.post("receiver/cdrs", examples.cdr())
    aged(CDR, 5000)

    assert retention.apply(NOW)["cdrs"] == 0
    assert CDR.objects.count() == 1

    settings.HUB_CDR_DAYS = 4999
    assert retention.apply(NOW)["cdrs"] == 1
    assert CDR.objects.count() == 0


def test_a_full_pull_does_not_ask_for_what_was_deleted_for_its_age(cpo, settings):
    settings.HUB_CDR_DAYS = 1000
    cpo.answers.append(lambda request: enveloped([]) if request.method == "GET" else None)

    sync.pull_platform(cpo.platform.pk, "cdrs", full=True)
    settings.HUB_CDR_DAYS = 0
    sync.pull_platform(cpo.platform.pk, "cdrs", full=True)

    since, everything = Pull.objects.order_by("id").values_list("date_from", flat=True)
    assert timedelta(0) <= since - timezone.now() + timedelta(days=1000) + timedelta(minutes=1)
    assert since < timezone.now() - timedelta(days=999)
    assert everything is None


def test_other_objects_stay_as_long_as_their_owner_has_them(cpo, emsp):
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    model = owned_models()["locations"]
    aged(model, 10_000)

    assert retention.apply(NOW)["locations"] == 0
    assert model.objects.count() == 1
    with pytest.raises(TypeError, match="locations have tables beside their own"):
        removal.remove(model, [1])


def test_refused_objects_go_when_they_have_not_come_for_so_long(cpo, settings):
    settings.HUB_REFUSED_DAYS = 10
    for name, days in (("OLD", 11), ("NEW", 9)):
        row = RefusedObject.objects.create(platform=cpo.platform, module="locations", object_key=name)
        RefusedObject.objects.filter(pk=row.pk).update(last_seen_at=days_ago(days))

    assert retention.apply(NOW)["refused objects"] == 1
    assert list(RefusedObject.objects.values_list("object_key", flat=True)) == ["NEW"]


def test_of_pulls_the_one_stays_that_the_next_one_starts_from(cpo, settings):
    settings.HUB_PULL_DAYS = 10

    def pulled(days, state, module="locations"):
        return Pull.objects.create(
            platform=cpo.platform, module=module, party="NL*ABC", full=True, state=state,
            started_at=days_ago(days), touched_at=days_ago(days),
        ).pk  # fmt: skip

    pulled(30, "DONE")
    newest = pulled(20, "DONE")
    failed_since = pulled(15, "FAILED")
    pulled(25, "FAILED")
    only = pulled(400, "DONE", "tariffs")
    running = pulled(500, "RUNNING", "tariffs")

    assert retention.apply(NOW)["pulls"] == 2
    assert set(Pull.objects.values_list("pk", flat=True)) == {newest, failed_since, only, running}


def test_grants_and_authorizations_have_days_of_their_own(settings):
    settings.HUB_AUTHORIZATION_DAYS, settings.HUB_MESSAGE_DAYS = 10, 500
    for days in (11, 9):
        Grant.objects.create(
            token_owner="DE*MSP",
            token_key="A",
            operator="NL*ABC",
            reference=str(days),
            given_at=days_ago(days),
        )
        Authorization.objects.create(
            operator="NL*ABC", token_uid=str(days), decided="LIST", status_code=1000, milliseconds=1,
            at=days_ago(days),
        )  # fmt: skip

    partitions.delete_finished()

    assert list(Grant.objects.values_list("reference", flat=True)) == ["9"]
    assert list(Authorization.objects.values_list("token_uid", flat=True)) == ["9"]
