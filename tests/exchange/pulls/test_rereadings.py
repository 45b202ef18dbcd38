"""An error report of a list that could not be read says whether it has been read since."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from ocpi_hub import background
from ocpi_hub.errorreports import aftermath
from ocpi_hub.errorreports.models import ErrorReport
from ocpi_hub.errorreports.occurrences import Noted, write
from ocpi_hub.exchange.models import Pull
from ocpi_hub.exchange.pulls import rereadings, sync
from tests import examples

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOT_YET = (
    "The list of NL*ABC has not been read to its end since. It is tried again by its pull plan.",
    "not read yet",
)


def became(module="tariffs"):
    found = aftermath.of(ErrorReport.objects.get(module=module))
    return found and found[:2]


def pulled(cpo, at, **changes):
    fields = {"module": "tariffs", "party": "NL*ABC", "state": "DONE", "full": True, **changes}
    return Pull.objects.create(platform=cpo.platform, started_at=at, touched_at=at, finished_at=at, **fields)


@pytest.fixture
def failed(cpo):
    write([Noted("pull.unreachable", cpo.platform.pk, "tariffs", "no connection", party="NL*ABC", at=NOON)])


def test_a_list_that_fails_and_is_read_later_has_been_read(cpo, emsp, deliver):
    cpo.lists["tariffs"] = [examples.tariff()]
    cpo.answers.append(lambda request: httpx.Response(500))
    sync.pull_platform(cpo.platform.pk, "tariffs", full=True)
    background.flush()
    assert became() == NOT_YET

    cpo.answers.clear()
    sync.pull_platform(cpo.platform.pk, "tariffs", full=True)

    text, short = became()
    at = Pull.objects.filter(state="DONE").get().finished_at
    assert text == f"The list of NL*ABC was read to its end since, in full, at {at:%Y-%m-%d %H:%M:%S} UTC."
    assert short == "read"


@pytest.mark.parametrize(
    "changes",
    [{"state": "FAILED"}, {"state": "WAITING"}, {"module": "locations"}, {"party": "NL*ABX"}],
    ids=lambda changes: str(*changes.values()),
)
def test_another_pull_does_not_count(cpo, failed, changes):
    pulled(cpo, NOON + timedelta(hours=1), **changes)

    assert became() == NOT_YET


def test_a_pull_before_the_failure_does_not_count_and_the_last_one_after_it_does(cpo, failed):
    pulled(cpo, NOON - timedelta(hours=1))
    assert became() == NOT_YET

    pulled(cpo, NOON + timedelta(hours=2), full=False)
    pulled(cpo, NOON + timedelta(hours=1))

    assert became()[0] == (
        "The list of NL*ABC was read to its end since, what changed in it, at 2026-03-01 14:00:00 UTC."
    )


def test_a_list_that_was_read_and_not_believed_is_not_mended_by_reading_it_again(cpo):
    write(
        [Noted("pull.not_believed", cpo.platform.pk, "tariffs", "hardly anything", party="NL*ABC", at=NOON)]
    )
    pulled(cpo, NOON + timedelta(hours=1))

    assert became() is None


def test_where_no_party_is_named_the_list_is_nobodys_in_particular():
    assert rereadings.words("", None, False).text.startswith("The list has not been read")
