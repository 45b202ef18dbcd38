"""An error report of deliveries says what became of them: which wait, are given up, have arrived since."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from ocpi_hub.errorreports import aftermath, states
from ocpi_hub.errorreports.models import ErrorReport
from ocpi_hub.errorreports.occurrences import Noted, write
from ocpi_hub.exchange.deliveries import arrivals, deadletters, lanes, outcomes
from ocpi_hub.exchange.deliveries.arrivals import Counts
from ocpi_hub.exchange.messages import outbox
from ocpi_hub.exchange.models import DeadLetter, Delivery
from tests import examples
from tests.partners import enveloped


def refuse(request):
    return enveloped(status_code=2001)


def fault(request):
    return enveloped(status_code=3000)


def push(cpo, *object_ids, **changed):
    for object_id in object_ids:
        assert (
            cpo.put(
                f"receiver/locations/NL/ABC/{object_id}", examples.location(id=object_id, **changed)
            ).status_code
            == 1000
        )


def report(kind):
    return ErrorReport.objects.get(kind=kind)


def counts(kind):
    """Without those of which there are none."""
    found = aftermath.of(report(kind))
    return {name: count for name, count in found.counts.items() if count}


def due_again():
    Delivery.objects.filter(state="PENDING").update(next_attempt_at=timezone.now())


@pytest.fixture
def refused(cpo, emsp, deliver):
    """LOC1 and LOC2, refused by the provider, who is well again since."""
    emsp.answers.append(refuse)
    push(cpo, "LOC1", "LOC2")
    deliver()
    emsp.answers.clear()


# ----------------------------------------------------------------------------------------- what became of them
def test_what_waits_for_its_next_try_is_waiting(cpo, emsp, deliver):
    emsp.answers.append(fault)
    push(cpo, "LOC1", "LOC2")
    deliver()

    assert counts("delivery.server_error") == {"waiting": 2}


def test_what_was_delivered_by_a_later_try_has_arrived(cpo, emsp, deliver):
    emsp.answers.append(fault)
    push(cpo, "LOC1")
    deliver()
    emsp.answers.clear()
    due_again()
    deliver()

    assert counts("delivery.server_error") == {"arrived": 1}


def test_what_never_failed_is_not_counted(cpo, emsp, refused, deliver):
    push(cpo, "LOC3")
    deliver()

    assert counts("delivery.refused") == {"given_up": 2}


def test_what_an_operator_retried_has_arrived(refused, deliver):
    deadletters.retry(DeadLetter.objects.all(), by="ann", chosen="all")
    assert counts("delivery.refused") == {"waiting": 2}

    deliver()

    assert counts("delivery.refused") == {"arrived": 2}


def test_what_an_operator_discarded_is_told_apart(refused):
    deadletters.discard(DeadLetter.objects.filter(path="NL/ABC/LOC1"), by="ann", chosen="one", note="a test")

    assert counts("delivery.refused") == {"given_up": 1, "discarded": 1}


def test_what_a_newer_delivery_carries_stands_as_that_one_does(cpo, emsp, refused, deliver):
    push(cpo, "LOC1", name="renamed", last_updated="2026-03-02T00:00:00Z")
    deliver()
    assert counts("delivery.refused") == {"given_up": 1, "covered": 1}

    emsp.answers.append(fault)
    deadletters.retry(DeadLetter.objects.filter(path="NL/ABC/LOC2"), by="ann", chosen="one")
    deliver()

    assert counts("delivery.refused") == {"waiting": 1, "covered": 1}


@pytest.mark.parametrize(("state", "became"), [("PENDING", "waiting"), ("FAILED", "given_up")])
def test_what_is_covered_by_the_whole_object_stands_as_the_whole_does(refused, state, became):
    whole, other = Delivery.objects.order_by("id")
    DeadLetter.objects.filter(delivery=other).delete()
    Delivery.objects.filter(pk=other.pk).update(
        key=f"{whole.key}/EVSE1", parent_key=whole.key, state="ABSORBED"
    )
    if state == "PENDING":
        DeadLetter.objects.filter(delivery=whole).delete()
        Delivery.objects.filter(pk=whole.pk).update(state="PENDING")

    assert counts("delivery.refused") == {became: 2}


def test_a_delivery_counts_once_for_each_kind_of_its_failures(cpo, emsp, deliver):
    emsp.answers.append(fault)
    push(cpo, "LOC1")
    deliver()
    due_again()
    deliver()
    emsp.answers[:] = [refuse]
    due_again()
    deliver()

    assert counts("delivery.server_error") == {"given_up": 1}
    assert counts("delivery.refused") == {"given_up": 1}
    assert Delivery.objects.get().failed_as == ["delivery.refused", "delivery.server_error"]


def test_the_last_try_of_a_schedule_is_counted_as_given_up_as_well(cpo, emsp, deliver):
    emsp.platform.retry_schedule = [5]
    emsp.platform.save()
    emsp.answers.append(fault)
    push(cpo, "LOC1")
    deliver()
    due_again()
    deliver()

    assert counts("delivery.given_up") == {"given_up": 1}


def test_what_a_dead_worker_was_sending_is_counted(cpo, emsp, deliver):
    push(cpo, "LOC1")
    outbox.expand()
    Delivery.objects.update(state="SENDING", claimed_at=timezone.now() - timedelta(hours=1))
    outcomes.recover()
    assert counts("delivery.interrupted") == {"waiting": 1}

    lanes.drain(emsp.platform.pk)

    assert counts("delivery.interrupted") == {"arrived": 1}


def test_what_ended_before_the_report_came_back_is_not_of_it(cpo, emsp, refused, deliver):
    deadletters.retry(DeadLetter.objects.all(), by="ann", chosen="all")
    deliver()
    Delivery.objects.update(finished_at=timezone.now() - timedelta(hours=1))
    states.change(report("delivery.refused").pk, "RESOLVED", by="ann", note="", now=timezone.now())
    emsp.answers.append(refuse)
    push(cpo, "LOC3")
    deliver()

    assert counts("delivery.refused") == {"given_up": 1}


def test_a_report_counts_only_what_went_to_its_partner(cpo, emsp, stranger, deliver):
    stranger.answers.append(refuse)
    push(cpo, "LOC1")
    deliver()
    emsp.answers.append(refuse)
    push(cpo, "LOC2", "LOC3")
    deliver()

    found = {
        row.platform_id: aftermath.of(row).counts["given_up"]
        for row in ErrorReport.objects.filter(kind="delivery.refused")
    }

    assert found == {emsp.platform.pk: 2, stranger.platform.pk: 3}


def test_reports_of_other_things_have_nothing_of_the_kind(db, cpo):
    write([Noted("handshake.failed", cpo.platform.pk, "", "no connection")])
    write([Noted("request.unknown_token", None, "", "from 192.0.2.7")])

    assert aftermath.of_each(list(ErrorReport.objects.all())) == {}


# ------------------------------------------------------------------------------------------------- in words
@pytest.mark.parametrize(
    ("found", "text", "short"),
    [
        (
            Counts(waiting=2),
            "Of 2 deliveries that failed so, 2 still waiting. What waits is tried again by itself.",
            "2 waiting",
        ),
        (
            Counts(1, 2, 3, 4, 5),
            "Of 15 deliveries that failed so, 1 still waiting, 2 given up, 3 arrived since, 4 covered by later"
            " deliveries or no longer needed and 5 discarded by an operator. What is given up is not sent again by"
            " itself: retry or discard it in Dead letters.",
            "1 waiting, 2 given up",
        ),
        (
            Counts(arrived=1),
            "Of 1 delivery that failed so, 1 arrived since. Nothing is left to be sent.",
            "all arrived",
        ),
        (
            Counts(arrived=1, discarded=1),
            "Of 2 deliveries that failed so, 1 arrived since and 1 discarded by an operator."
            " Nothing is left to be sent.",
            "nothing left to send",
        ),
        (
            Counts(),
            "None of the deliveries that failed so is on record any more: they are kept for 30 days after they ended.",
            "",
        ),
    ],
)
def test_it_is_told_in_words(settings, found, text, short):
    settings.HUB_MESSAGE_DAYS = 30

    assert arrivals.words(found)[:2] == (text, short)


GIVEN_UP = "Of 2 deliveries that failed so, 2 given up. What is given up is not sent again by itself"


def test_the_admin_tells_it_on_the_page_of_a_report_and_in_the_list(refused):
    client = Client()
    client.force_login(User.objects.create_superuser("ann", password="a long pass phrase"))

    page = client.get(
        reverse("admin:errorreports_errorreport_change", args=[report("delivery.refused").pk])
    ).content.decode()
    listed = client.get("/admin/errorreports/errorreport/").content.decode()

    assert GIVEN_UP in page
    assert '<td class="field-became">2 given up</td>' in listed


def test_a_list_of_many_reports_asks_once(refused, emsp, cpo, deliver):
    reports = [report("delivery.refused")]
    with CaptureQueriesContext(
        connection,
    ) as one:
        aftermath.of_each(reports)
    write(
        [Noted("delivery.timed_out", emsp.platform.pk, module, "no answer") for module in ("cdrs", "tariffs")]
    )

    with CaptureQueriesContext(connection) as several:
        aftermath.of_each(list(ErrorReport.objects.all()))

    assert (len(one), len(several)) == (1, 2)


def test_the_command_line_tells_it(refused):
    said = {name: StringIO() for name in ("list", "show", "json")}
    number = str(report("delivery.refused").pk)

    call_command("errors", stdout=said["list"])
    call_command("errors", "--show", number, stdout=said["show"])
    call_command("errors", "--json", stdout=said["json"])

    assert "UTC; since then: 2 given up\n" in said["list"].getvalue()
    assert f"  since then: {GIVEN_UP}" in said["show"].getvalue()
    (row,) = json.loads(said["json"].getvalue())
    assert row["since_then"] == {
        "text": f"{GIVEN_UP}: retry or discard it in Dead letters.",
        "waiting": 0, "given_up": 2, "arrived": 0, "covered": 0, "discarded": 0,
    }  # fmt: skip
