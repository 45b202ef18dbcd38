"""Which authorization_reference a provider gave last."""

from datetime import UTC, datetime, timedelta

import pytest

from ocpi_hub.exchange.models import Grant
from ocpi_hub.exchange.objects import grants
from ocpi_hub.exchange.objects.grants import Use
from ocpi_hub.protocol.types import PartyRef

pytestmark = pytest.mark.django_db

MSP, PRO, ABC, DEF = (PartyRef.parse(text) for text in ("DE*MSP", "AT*PRO", "NL*ABC", "BE*DEF"))
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def history():
    """A at 10, B at 12, both to NL*ABC; C to another operator, D of another provider."""
    for reference, provider, operator, at in [
        ("A", MSP, ABC, NOON - 2 * HOUR),
        ("B", MSP, ABC, NOON),
        ("C", MSP, DEF, NOON),
        ("D", PRO, ABC, NOON),
    ]:
        grants.note(provider, "04A1", operator, reference, "authorize")
        Grant.objects.filter(reference=reference).update(given_at=at)


@pytest.mark.parametrize(
    ("use", "reference"),
    [
        (Use(MSP, "04A1", ABC, NOON + HOUR), "B"),
        (Use(MSP, "04a1", PartyRef.parse("nl*abc"), NOON), "B"),
        (Use(MSP, "04A1", ABC, NOON - HOUR), "A"),
        (Use(MSP, "04A1", ABC, NOON - 3 * HOUR), None),
        (Use(MSP, "04A1", DEF, NOON), "C"),
        (Use(PRO, "04A1", ABC, NOON), "D"),
        (Use(MSP, "OTHER", ABC, NOON), None),
    ],
)
def test_the_newest_until_then_counts(history, use, reference):
    assert grants.latest(*use[:4]) == reference


def test_many_are_found_with_one_query_in_their_order(history, django_assert_num_queries):
    uses = [Use(MSP, "04A1", ABC, NOON), Use(MSP, "NONE", ABC, NOON), Use(MSP, "04A1", DEF, NOON)]

    with django_assert_num_queries(1):
        assert [given.last for given in grants.given(uses)] == ["B", None, "C"]
    assert grants.given([]) == []


@pytest.mark.parametrize(
    ("reference", "operator", "before", "later"),
    [
        ("b", ABC, NOON - HOUR, True),
        ("B", ABC, NOON, False),
        ("A", ABC, NOON - HOUR, False),
        ("C", ABC, NOON - HOUR, False),
        ("C", DEF, NOON - HOUR, True),
        (None, ABC, NOON - HOUR, False),
    ],
)
def test_a_reference_may_be_given_later_by_the_hubs_clock(history, reference, operator, before, later):
    assert grants.given([Use(MSP, "04A1", operator, before, reference)])[0].later is later


def test_nothing_given_is_nothing_noted():
    grants.note(MSP, "04A1", ABC, None, "authorize")
    grants.note(MSP, "04A1", ABC, "", "authorize")

    assert Grant.objects.count() == 0
