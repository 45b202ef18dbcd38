"""Several write reports at once, on real threads and real transactions."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction

from ocpi_hub.errorreports import states
from ocpi_hub.errorreports.models import ErrorReport, Occurrence, StateChange
from ocpi_hub.errorreports.occurrences import Noted, write
from tests.errorreports.threads import at_once

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MODULES = ["cdrs", "locations", "sessions", "tariffs", "tokens"]

pytestmark = pytest.mark.django_db(transaction=True)


def failures(order, platforms=(1, 2, 3), at=NOON):
    return [
        Noted("DELIVERY_FAILING", number, module, "HTTP 500", at=at)
        for module in order
        for number in platforms
    ]


def test_writers_whose_batches_come_in_any_order_neither_wait_forever_nor_lose_a_count():
    def often(order):
        for _ in range(25):
            write(failures(order))

    at_once(*(lambda order=order: often(order) for order in (MODULES, MODULES[::-1]) * 3))

    counts = ErrorReport.objects.values_list("count", flat=True)
    assert list(counts) == [150] * 15


def test_writers_and_an_operator_who_resolves_everything_do_not_block_each_other():
    write(failures(MODULES))
    ids = list(ErrorReport.objects.values_list("pk", flat=True))

    def resolve():
        for number in range(10):
            for pk in ids:
                states.change(pk, "RESOLVED", by="ann", note="", now=NOON + timedelta(seconds=number))

    def fail():
        for number in range(10):
            write(failures(MODULES[::-1], at=NOON + timedelta(seconds=number)))

    at_once(resolve, fail, fail)

    assert list(ErrorReport.objects.values_list("count", flat=True)) == [21] * 15


def test_a_report_that_two_find_resolved_reopens_once():
    write(failures(["cdrs"], platforms=(1,)))
    ErrorReport.objects.update(state="RESOLVED")
    later = NOON + timedelta(hours=1)

    at_once(*[lambda: write(failures(["cdrs"], platforms=(1,), at=later))] * 4)

    report = ErrorReport.objects.get()
    assert (report.state, report.reopened, report.count) == ("OPEN", 1, 5)
    assert StateChange.objects.count() == 1


def test_what_a_rolled_back_transaction_wrote_is_not_there():
    with transaction.atomic():
        write(failures(["cdrs"]))
        transaction.set_rollback(True)

    assert not ErrorReport.objects.exists()
    assert not Occurrence.objects.exists()
