"""The catalogue of what can fail: complete, and in words that one understands at night."""

import re

import pytest

from ocpi_hub.errorreports.checks import kinds_are_complete
from ocpi_hub.errorreports.kinds import KINDS, Who, kind_of

EACH = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


def test_the_catalogue_is_complete():
    assert kinds_are_complete(None) == []
    assert len({kind.title for kind in KINDS.values()}) == len(KINDS)


@EACH
def test_a_kind_is_named_for_its_area_and_for_what_failed(kind):
    assert re.fullmatch(r"[a-z]+\.[a-z]+(_[a-z]+)*", kind.name)


@EACH
def test_a_kind_speaks_in_whole_sentences(kind):
    assert re.fullmatch(r"[A-Z][^.]+[^.\s]", kind.title)
    for text in filter(None, (kind.meaning, kind.action, kind.to_partner)):
        assert re.fullmatch(r"[A-Z].*[^.\s]\.", text)
        assert "  " not in text


@EACH
def test_what_a_partner_is_told_is_about_its_own_system(kind):
    if kind.who in (Who.PARTNER, Who.BOTH):
        assert re.search(r"\b[Yy]our?\b", kind.to_partner)


def test_a_kind_of_another_version_says_so():
    assert kind_of("delivery.of_yore").title == "Delivery: of yore"
    assert "does not know" in kind_of("delivery.of_yore").meaning
