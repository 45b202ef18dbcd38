"""The plans of pulls in the admin: edited there, pulled from there, told in words."""

from datetime import time, timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from ocpi_hub.exchange.models import PullPlan
from ocpi_hub.exchange.pulls import pullplans, sync
from tests import examples
from tests.partners import register

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator():
    client = Client()
    client.force_login(User.objects.create_superuser("operator", password="a long pass phrase"))
    return client


@pytest.fixture
def plans(cpo):
    pullplans.make(cpo.platform)
    PullPlan.objects.update(interval=3600, full_at=time(2), unknown_after=3, removed_after=14)
    return {plan.module: plan for plan in PullPlan.objects.all()}


def page(plan):
    return reverse("admin:exchange_pullplan_change", args=[plan.pk])


def form(**changes):
    given = {
        "enabled": "on", "interval": "3600", "full_at": "02:00:00", "unknown_after": "3", "removed_after": "14",
        "_save": "Save",
    } | changes  # fmt: skip
    return {name: value for name, value in given.items() if value is not None}


def fresh(plan):
    return PullPlan.objects.get(pk=plan.pk)


def test_a_new_interval_or_time_counts_at_once(operator, plans):
    plan = plans["locations"]
    before = timezone.now()
    operator.post(page(plan), form(interval="600", full_at="03:30"))

    changed = fresh(plan)
    assert (changed.interval, changed.full_at) == (600, time(3, 30))
    assert timedelta(seconds=600) <= changed.next_pull_at - before < timedelta(seconds=600 + 360)
    assert timezone.now() < changed.next_full_at < before + timedelta(days=1, seconds=360)


def test_without_a_change_of_them_nothing_is_put_off(operator, plans):
    plan = plans["locations"]
    operator.post(page(plan), form(unknown_after="5"))

    changed = fresh(plan)
    assert changed.unknown_after == 5
    assert (changed.next_pull_at, changed.next_full_at) == (plan.next_pull_at, plan.next_full_at)


def test_what_a_worker_wrote_meanwhile_is_not_written_over(operator, plans, monkeypatch):
    plan = plans["locations"]
    reschedule = pullplans.reschedule

    def work_meanwhile(row, now):
        PullPlan.objects.update(wanted="ALL", held_until=now, failures=3)
        reschedule(row, now)

    monkeypatch.setattr(pullplans, "reschedule", work_meanwhile)
    operator.post(page(plan), form(interval="600"))

    changed = fresh(plan)
    assert (changed.wanted, changed.failures, changed.held_until is None) == ("ALL", 3, False)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"removed_after": "3"}, "comes after UNKNOWN: more than 3, or empty"),
        ({"interval": "0"}, "greater than or equal to 10"),
        ({"unknown_after": "0"}, "greater than or equal to 1"),
    ],
)
def test_what_cannot_be_is_refused_with_a_reason(operator, plans, changes, fault):
    plan = plans["locations"]
    answered = operator.post(page(plan), form(**changes))

    assert fault in answered.content.decode()
    assert (fresh(plan).interval, fresh(plan).unknown_after, fresh(plan).removed_after) == (3600, 3, 14)


@pytest.mark.parametrize(("button", "wanted"), [("_pull", "CHANGES"), ("_pull_all", "ALL")])
def test_a_button_saves_and_asks_for_a_pull(operator, plans, button, wanted):
    plan = plans["locations"]
    answered = operator.post(page(plan), form(_save=None, believes_next="on") | {button: "now"}, follow=True)

    changed = fresh(plan)
    assert (changed.wanted, changed.believes_next) == (wanted, True)
    assert [row.pk for row in pullplans.due(timezone.now())] == [plan.pk]
    text = answered.content.decode()
    assert answered.redirect_chain == [(page(plan), 302)]
    assert "Asked for; a worker begins within seconds." in text
    assert "asked for, begins within seconds" in text


def test_actions_ask_for_pulls_of_all_that_are_chosen(operator, plans):
    chosen = [plans[module].pk for module in ("locations", "tariffs")]
    listed = reverse("admin:exchange_pullplan_changelist")
    operator.post(listed, {"action": "pull_everything", "_selected_action": chosen})

    assert sorted(PullPlan.objects.filter(wanted="ALL").values_list("pk", flat=True)) == sorted(chosen)


def test_a_partner_that_is_not_registered_is_named(operator, network):
    gone = register(network, "GONE", "NL-ABC-CPO")
    pullplans.make(gone.platform)
    plan = PullPlan.objects.get(module="locations")
    gone.platform.token_cipher = ""
    gone.platform.save()
    answered = operator.post(page(plan), form(_save=None, _pull="now"), follow=True)

    text = answered.content.decode()
    assert "is not registered: its list is read when it is." in text
    assert "rests: the partner is not registered" in text


def test_the_policy_is_offered_where_there_is_one(operator, plans):
    fields = {
        module: [
            name for name in ("unknown_after", "removed_after", "believes_next") if f'name="{name}"' in text
        ]
        for module, text in (
            (module, operator.get(page(plan)).content.decode()) for module, plan in plans.items()
        )
    }
    assert fields == {
        "locations": ["unknown_after", "removed_after", "believes_next"],
        "tariffs": ["believes_next"],
        "sessions": [],
        "cdrs": [],
    }


def test_the_list_and_the_page_tell_how_it_stands(operator, plans, cpo):
    cpo.lists["locations"] = [examples.location(), examples.location(id="BAD", city=None)]
    sync.pull_platform(cpo.platform.pk, "locations", full=True)
    listed = operator.get(reverse("admin:exchange_pullplan_changelist")).content.decode()
    text = operator.get(page(plans["locations"])).content.decode()

    for told in (
        "every hour, in full at 02:00 UTC",
        "UNKNOWN after 3 full, REMOVED after 14 full",
        "up to date",
    ):
        assert told in listed
    assert "2: 1 new, 0 changed, 1 refused" in text
    assert f"platform__id__exact={cpo.platform.pk}&amp;module=locations" in text


def test_who_may_only_look_is_offered_no_button_and_gets_nothing_done(plans):
    user = User.objects.create_user("looker", password="a long pass phrase", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_pullplan"))
    client = Client()
    client.force_login(user)
    plan = plans["locations"]
    text = client.get(page(plan)).content.decode()
    client.post(page(plan), form(_save=None, _pull="now"))

    assert "pull what changed now" not in text
    assert fresh(plan).wanted == ""
