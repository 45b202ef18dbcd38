"""Faults of the hub's own processes are in the error reports, whichever thread or task they stop."""

from types import SimpleNamespace

import pytest
from django.db import OperationalError

from ocpi_hub import background, celery
from ocpi_hub.errorreports.models import ErrorReport
from ocpi_hub.exchange import tasks
from ocpi_hub.exchange.housekeeping import sweeper, upkeep
from ocpi_hub.exchange.messages import doorbell
from tests.exchange.messages.test_doorbell import run
from tests.exchange.messages.test_doorbell import rung as rung  # the fixture

pytestmark = pytest.mark.django_db


def reported():
    background.flush()
    return list(ErrorReport.objects.order_by("id").values_list("kind", "platform", "text"))


def stumble(*_, **__):
    raise KeyError("04A1B2C3D4")


def test_a_round_of_the_sweeper_that_fails_is_reported_without_the_words_of_the_error(monkeypatch):
    monkeypatch.setattr(sweeper, "_rounds", {})
    monkeypatch.setattr(
        sweeper, "connection", SimpleNamespace(close=lambda: None)
    )  # the test's own stays open
    sweeper.every_round(stumble)
    sweeper.run_round(stumble)

    assert reported() == [("hub.fault", None, f"{__name__}.stumble stopped on KeyError")]


def test_so_is_work_for_one_partner(cpo):
    sweeper._logged(stumble, cpo.platform.pk)

    assert reported() == [("hub.fault", cpo.platform.pk, "stumble stopped on KeyError")]


def test_so_is_upkeep(monkeypatch):
    monkeypatch.setattr(upkeep, "_chores", [upkeep.Chore("tidy up", upkeep.AGAIN, stumble)])
    upkeep.do_what_is_due()

    assert reported() == [("hub.fault", None, "the upkeep 'tidy up' stopped on KeyError")]


def test_so_is_a_task_of_celery():
    celery.report(sender=tasks.sweep, exception=KeyError("04A1B2C3D4"))

    assert reported() == [("hub.fault", None, "ocpi_hub.exchange.tasks.sweep stopped on KeyError")]


def test_a_database_that_is_away_is_told_apart_from_a_fault():
    celery.report(sender=tasks.sweep, exception=OperationalError("gone"))

    assert [kind for kind, _, _ in reported()] == ["hub.database"]


def test_a_broker_that_does_not_answer_is_reported(rung, monkeypatch):
    monkeypatch.setattr(doorbell.current_app, "send_task", stumble)
    doorbell.ring()
    run(monkeypatch)

    assert reported() == [("hub.redis", None, "the workers were not rung: KeyError")]
