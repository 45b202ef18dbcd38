"""Who exchanges what with whom (ocpi_hub/partners/agreements.py)."""

import pytest
from django.db import IntegrityError, transaction

from ocpi_hub.partners.agreements import Terms
from ocpi_hub.partners.models import Agreement

pytestmark = pytest.mark.django_db

CPO, EMSP, OTHER = "NL*ABC", "DE*MSP", "FR*XYZ"


def agree(first: str, second: str, allowed: bool, module: str = "") -> None:
    Agreement.objects.create(
        first=min(first, second), second=max(first, second), module=module, allowed=allowed
    )


def both_ways(first: str, second: str, module: str) -> list[bool]:
    """What the terms of either of them say, asked from either side."""
    return [
        terms.allow(*pair, module)
        for terms in (Terms.of([first]), Terms.of([second]))
        for pair in ((first, second), (second, first))
    ]


@pytest.mark.parametrize(("default", "allowed"), [("open", True), ("closed", False)])
def test_without_an_agreement_the_setting_decides(settings, default: str, allowed: bool) -> None:
    settings.HUB_AGREEMENTS = default

    assert both_ways(CPO, EMSP, "locations") == [allowed] * 4


@pytest.mark.parametrize("default", ["open", "closed"])
@pytest.mark.parametrize(
    ("rows", "locations", "tariffs"),
    [
        ({"": False}, False, False),
        ({"": True}, True, True),
        ({"": False, "locations": True}, True, False),
        ({"": True, "locations": False}, False, True),
    ],
)
def test_one_on_a_module_counts_before_one_on_all(
    settings, default: str, rows: dict[str, bool], locations: bool, tariffs: bool
) -> None:
    settings.HUB_AGREEMENTS = default
    for module, allowed in rows.items():
        agree(CPO, EMSP, allowed, module)

    assert both_ways(CPO, EMSP, "locations") == [locations] * 4
    assert both_ways(CPO, EMSP, "tariffs") == [tariffs] * 4


def test_an_agreement_is_of_its_two_parties_alone() -> None:
    agree(CPO, EMSP, False)

    assert both_ways(CPO, OTHER, "locations") == [True] * 4
    assert both_ways(OTHER, EMSP, "locations") == [True] * 4


def test_terms_name_with_whom_it_is_otherwise() -> None:
    agree(CPO, EMSP, False, "locations")
    agree(CPO, OTHER, False)
    agree(CPO, OTHER, True, "locations")

    terms = Terms.of([CPO])

    assert terms.exceptions(CPO, "locations") == {EMSP}
    assert terms.exceptions(CPO, "tariffs") == {OTHER}
    assert terms.allow_any(CPO, OTHER, ["locations", "tariffs"])
    assert not terms.allow_any(CPO, OTHER, ["sessions", "tariffs"])


def test_an_agreement_stands_once_and_in_order() -> None:
    agree(CPO, EMSP, True)

    for first, second in ((EMSP, CPO), (CPO, EMSP), (CPO, CPO)):
        with pytest.raises(IntegrityError), transaction.atomic():
            Agreement.objects.create(first=first, second=second, allowed=False)
    assert list(Agreement.objects.values_list("first", "second", "allowed")) == [(EMSP, CPO, True)]
