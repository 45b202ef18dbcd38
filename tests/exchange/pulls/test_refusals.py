"""What is kept of what the hub could not take: one row for each object, and not one for each that can be invented."""

import pytest

from ocpi_hub.exchange.models import RefusedObject
from ocpi_hub.exchange.pulls import refusals, sync
from tests import examples

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("two_modules")]


@pytest.fixture(autouse=True)
def three_are_kept(monkeypatch):
    monkeypatch.setattr(refusals, "MOST_KEPT", 3)


def broken(*numbers):
    return [examples.location(id=f"BAD{number}", publish="yes") for number in numbers]


def pull(cpo, documents, *, full=True):
    cpo.lists["locations"] = documents
    (report,) = sync.pull_platform(cpo.platform.pk, "locations", full=full)
    return report


def kept():
    return dict(RefusedObject.objects.order_by("id").values_list("object_key", "times"))


def test_what_is_refused_beyond_the_bound_is_counted_in_one_row(cpo):
    report = pull(cpo, broken(*range(8)))

    assert (report.pull.state, report.pull.refused) == ("DONE", 8)
    assert kept() == {"NL*ABC/BAD0": 1, "NL*ABC/BAD1": 1, "NL*ABC/BAD2": 1, "all that are only counted": 5}
    row = RefusedObject.objects.get(object_key=refusals.BEYOND)
    assert row.document == ""
    assert row.reason == (
        "only counted, for 3 others of this list are kept one by one. Their owner must mend the list. The last of them:"
        " NL*ABC/BAD7: $.publish: neither true nor false, but text; leave out the quotes"
    )


def test_a_list_that_invents_other_names_in_each_pull_fills_no_table(cpo):
    for first in (0, 10, 20, 30):
        pull(cpo, broken(*range(first, first + 5)))

    assert kept() == {"NL*ABC/BAD0": 1, "NL*ABC/BAD1": 1, "NL*ABC/BAD2": 1, "all that are only counted": 17}


def test_what_is_kept_already_is_told_again_by_its_own_name(cpo):
    pull(cpo, broken(*range(4)))
    pull(cpo, broken(2, 7))

    assert kept() == {"NL*ABC/BAD0": 1, "NL*ABC/BAD1": 1, "NL*ABC/BAD2": 2, "all that are only counted": 2}


def test_each_list_of_each_partner_has_a_bound_of_its_own(cpo, stranger):
    for _ in range(2):
        pull(cpo, broken(*range(4)))
        refusals.note(stranger.platform, "locations", "BE*DEF/BAD0", "broken", b"")
        refusals.note(cpo.platform, "tariffs", "NL*ABC/TARIFF0", "broken", b"")

    assert (
        RefusedObject.objects.filter(object_key__in=["BE*DEF/BAD0", "NL*ABC/TARIFF0"], times=2).count() == 2
    )


def test_the_count_goes_with_a_full_pull_that_adds_nothing_to_it(cpo):
    pull(cpo, broken(*range(5)))
    pull(cpo, [], full=False)
    after_changes = kept()
    pull(cpo, [examples.location(id="BAD0"), *broken(1, 2)])

    assert after_changes["all that are only counted"] == 2
    assert kept() == {"NL*ABC/BAD1": 2, "NL*ABC/BAD2": 2}


def test_of_a_very_long_document_the_beginning_is_kept(cpo, monkeypatch):
    monkeypatch.setattr(refusals, "LONGEST_DOCUMENT", 40)

    pull(cpo, broken(0))

    assert (len(RefusedObject.objects.get().document), RefusedObject.objects.get().document[-1]) == (40, "…")
