"""The catalogue of what can fail: complete, and in words that one understands at night."""

import re
from pathlib import Path

import pytest
from django.conf import settings

from ocpi_hub.errorreports.catalogue.calls import AREAS, CAUSES
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


# ------------------------------------------------------------------------------------------------- the manual
def table(heading):
    """The rows below a heading of a table in the operator's manual, without their bars."""
    text = (Path(settings.BASE_DIR) / "docs" / "operating.md").read_text()
    below = text.partition(f"| {heading} |")[2].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in below]


def test_the_manual_lists_every_kind_as_it_is():
    everywhere = {area.name for area in AREAS}

    assert table("area | what for") == [[f"`{area.name}`", area.tried] for area in AREAS]
    assert table("cause | what | who must act | only in") == [
        [
            f"`{cause.name}`",
            cause.title,
            cause.who,
            "" if set(cause.areas) == everywhere else ", ".join(cause.areas),
        ]
        for cause in CAUSES
    ]
    called = {f"{area.name}.{cause.name}" for area in AREAS for cause in CAUSES}
    assert table("kind | what | who must act") == [
        [f"`{kind.name}`", kind.title, kind.who] for kind in KINDS.values() if kind.name not in called
    ]
