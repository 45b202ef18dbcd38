"""The journal's settings are checked (ocpi_hub/journal/checks.py)."""

import pytest

from ocpi_hub.journal.checks import journal_is_set_up

DAYS = {"drivers": 30, "invoices": 90, "places": 7, "connections": 90}


def test_room_for_no_bodies_at_all_is_told(settings):
    settings.HUB_JOURNAL_MB = 0

    said = [error.msg for error in journal_is_set_up(None)]

    assert said == ["HUB_JOURNAL_MB must be at least 1, and is 0; HUB_JOURNAL=headers keeps no bodies."]


@pytest.mark.parametrize(
    ("mode", "days", "said"),
    [
        ("full", DAYS, []),
        ("off", DAYS, []),
        ("some", DAYS, ["HUB_JOURNAL is none of full, headers, off: 'some'."]),
        ("full", DAYS | {"drivers": 0}, ["HUB_JOURNAL_DAYS must be at least 1 for drivers, and is 0."]),
        ("full", DAYS | {"cdrs": 3}, ["HUB_JOURNAL_DAYS names 'cdrs', which is none of drivers, invoices, places,"
                                      " connections."]),
    ],
)  # fmt: skip
def test_a_setting_that_cannot_be_meant_is_told(settings, mode, days, said):
    settings.HUB_JOURNAL, settings.HUB_JOURNAL_DAYS = mode, days

    found = journal_is_set_up(None)

    assert [error.msg for error in found] == said
    assert {error.id for error in found} <= {"journal.E001"}
