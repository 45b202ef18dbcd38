"""Answers and results that never came are found by a worker's round, once each."""

from datetime import timedelta
from importlib import import_module

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from ocpi_hub import background
from ocpi_hub.errorreports.models import ErrorReport
from ocpi_hub.exchange.housekeeping import sweeper
from ocpi_hub.exchange.models import Callback
from ocpi_hub.exchange.relays import overdue
from tests import examples
from tests.conformance.calls import to
from tests.conformance.orders import answering, post_command
from tests.partners import enveloped

pytestmark = pytest.mark.django_db


def later(**passed):
    return timezone.now() + timedelta(**passed)


def reported():
    background.flush()
    return list(ErrorReport.objects.values_list("kind", "module", "party", "count"))


def profile(emsp):
    return emsp.put("receiver/chargingprofiles/SESSION1", examples.set_charging_profile(), **to("NL*ABC"))


def result(cpo):
    callback = Callback.objects.get()
    path = f"sender/{callback.module}/{callback.kind}/{callback.secret}"
    assert cpo.post(path, examples.command_result()).status_code == 1000


def test_a_result_that_never_came_is_reported_when_its_time_is_over_and_once(cpo, emsp):
    cpo.answers.append(answering(examples.command_response(timeout=60)))
    post_command(emsp, "START_SESSION")

    assert overdue.report(later(seconds=80)) == 0
    assert overdue.report(later(seconds=100)) == 1
    assert overdue.report(later(hours=1)) == 0
    assert reported() == [("command.no_result", "commands", "NL*ABC", 1)]
    text = ErrorReport.objects.get().text
    assert text == (
        "commands START_SESSION from DE*MSP to NL*ABC: it was accepted, and no result came within the 60 s that it"
        " announced"
    )


def test_so_is_that_of_a_charging_profile(cpo, emsp):
    accepted = examples.charging_profile_response(timeout=60)
    cpo.answers.append(lambda request: enveloped(accepted))
    assert profile(emsp).codes == (200, 1000)

    assert overdue.report(later(seconds=100)) == 1
    assert reported() == [("command.no_result", "chargingprofiles", "NL*ABC", 1)]


def test_a_result_that_came_is_not_missed(cpo, emsp):
    cpo.answers.append(answering())
    post_command(emsp, "START_SESSION")
    result(cpo)

    assert overdue.report(later(days=1)) == 0
    assert reported() == []


def test_nor_is_one_that_came_before_the_answer_to_the_command(cpo, emsp):
    def result_first(request):
        result(cpo)
        return enveloped(examples.command_response())

    cpo.answers.append(result_first)
    post_command(emsp, "START_SESSION")

    assert Callback.objects.get().answered_at is not None
    assert overdue.report(later(days=1)) == 0
    assert reported() == []


def test_nor_is_one_of_a_command_that_was_refused(cpo, emsp):
    cpo.answers.append(answering(examples.command_response(result="REJECTED")))
    post_command(emsp, "START_SESSION")

    assert overdue.report(later(days=1)) == 0
    assert reported() == []


def test_an_answer_that_was_never_noted_is_reported_after_two_minutes(cpo, emsp):
    cpo.answers.append(answering())
    post_command(emsp, "START_SESSION")
    asked_at = Callback.objects.get().created_at
    # As it stands when the process that waited was killed.
    Callback.objects.update(answered_at=None, awaited_until=asked_at + timedelta(minutes=2))

    assert overdue.report(asked_at + timedelta(seconds=119)) == 0
    assert overdue.report(asked_at + timedelta(seconds=120)) == 1
    assert reported() == [("command.no_answer", "commands", "NL*ABC", 1)]


def test_a_request_waits_for_its_answer_from_the_moment_that_it_leaves(cpo, emsp):
    seen = []

    def answer(request):
        row = Callback.objects.get()
        seen.append(row.awaited_until - row.created_at)
        return enveloped(examples.command_response())

    cpo.answers.append(answer)
    post_command(emsp, "START_SESSION")

    assert seen == [timedelta(minutes=2)]


@pytest.mark.parametrize(
    ("as_it_was", "kinds"),
    [
        ({"answered_at": -60}, ["command.no_result"]),
        ({"answered_at": None, "status_code": None, "answer": ""}, ["command.no_answer"]),
        ({"answered_at": None, "status_code": 4003, "answer": ""}, []),
        ({"answered_at": -60, "answer": "REJECTED"}, []),
        ({"answered_at": -60, "results": 1}, []),
        ({"answered_at": -60, "created_at": -25 * 3600}, []),
        ({"answered_at": +60}, []),  # by then it had learnt it
    ],
    ids=[
        "accepted",
        "unanswered",
        "told why",
        "refused",
        "with a result",
        "of days before",
        "answered later",
    ],
)
def test_what_was_open_when_the_hub_learnt_to_look_for_them_is_found_as_well(cpo, emsp, as_it_was, kinds):
    cpo.answers.append(answering(examples.command_response(timeout=60)))
    post_command(emsp, "START_SESSION")
    learnt = MigrationRecorder.Migration.objects.get(app="exchange", name="0015_overdue_results")
    learnt.applied = timezone.now()
    learnt.save()
    moments = {"created_at": -120, **as_it_was}
    for name in ("created_at", "answered_at"):
        if moments[name] is not None:
            moments[name] = learnt.applied + timedelta(seconds=moments[name])
    Callback.objects.update(awaited_until=None, **moments)

    with connection.cursor() as cursor:
        cursor.execute(import_module("ocpi_hub.exchange.migrations.0022_open_callbacks").OPEN)
    overdue.report(later(seconds=100))

    assert [kind for kind, *_ in reported()] == kinds


def test_each_worker_looks_for_them_in_its_rounds():
    assert overdue.report in sweeper.rounds()
