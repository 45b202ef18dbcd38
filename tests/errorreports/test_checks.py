"""System checks say what is wrong with the catalogue of kinds and with the settings of mail and webhook."""

import pytest
from django.conf import settings

from ocpi_hub.errorreports import checks
from ocpi_hub.errorreports.kinds import Kind, Who

GOOD = Kind("area.cause", "It failed", "That is bad.", Who.HUB, "Mend it.")


def test_a_complete_kind_has_no_fault():
    assert list(checks.faults("area.cause", GOOD)) == []


@pytest.mark.parametrize(
    ("name", "change", "fault"),
    [
        ("other", {}, "calls itself 'area.cause'"),
        ("x" * 41, {"name": "x" * 41}, "has a name of more than 40 characters"),
        ("area.cause", {"title": " ", "action": ""}, "has no title and no action"),
        (
            "area.cause",
            {"who": Who.BOTH},
            "is to be acted on by the partner and the operator of the hub, and does not say what it is asked to do",
        ),
        (
            "area.cause",
            {"to_partner": "Do it."},
            "is to be acted on by the operator of the hub, and asks it to do something",
        ),
        (
            "area.cause",
            {"who": Who.PARTNER, "to_partner": "The text names it."},
            "tells the partner of a text that it does not get",
        ),
    ],
)
def test_what_is_wrong_with_a_kind_is_told(name, change, fault):
    assert list(checks.faults(name, GOOD._replace(**change))) == [fault]


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"HUB_DIGEST_HOUR": 24}, "HUB_DIGEST_HOUR must be between 0 and 23, and is 24."),
        (
            {"HUB_OPERATORS": ["ann@hub.example", "ann"], "EMAIL_HOST": "mail.example"},
            "HUB_OPERATORS holds 'ann', which is no address.",
        ),
        (
            {"DEFAULT_FROM_EMAIL": "the hub", "EMAIL_HOST": "mail.example"},
            "EMAIL_FROM holds 'the hub', which is no address.",
        ),
        (
            {"EMAIL_USE_TLS": True, "EMAIL_USE_SSL": True},
            "EMAIL_USE_TLS and EMAIL_USE_SSL are both on: the first is STARTTLS, the second TLS from the beginning.",
        ),
        (
            {"HUB_OPERATORS": ["ann@hub.example"]},
            "HUB_OPERATORS is set and EMAIL_HOST is not, so no digest can be sent.",
        ),
    ],
)
def test_settings_that_cannot_work_are_told(monkeypatch, changed, problem):
    monkeypatch.setattr(settings, "DEFAULT_FROM_EMAIL", "hub@hub.example")
    for name, value in changed.items():
        monkeypatch.setattr(settings, name, value)

    assert [(fault.id, fault.msg) for fault in checks.mail_can_be_sent(None)] == [
        ("errorreports.E002", problem)
    ]


def test_settings_that_work_are_not_complained_about(monkeypatch):
    monkeypatch.setattr(settings, "EMAIL_HOST", "mail.example")
    monkeypatch.setattr(settings, "HUB_OPERATORS", ["ann@hub.example"])
    monkeypatch.setattr(settings, "DEFAULT_FROM_EMAIL", "OCPI hub <hub@hub.example>")

    assert checks.mail_can_be_sent(None) == []


def test_a_sender_that_nobody_named_is_warned_of_and_stops_nothing(settings):
    settings.EMAIL_HOST, settings.DEFAULT_FROM_EMAIL = "mail.example", "ocpi-hub@localhost"

    (warning,) = checks.sender_is_known(None)

    assert not warning.is_serious()
    assert warning.msg == (
        "EMAIL_HOST is set and EMAIL_FROM is not: mail comes from ocpi-hub@localhost, which many servers refuse."
    )
    assert checks.mail_can_be_sent(None) == []
    settings.DEFAULT_FROM_EMAIL = "hub@hub.example"
    assert checks.sender_is_known(None) == []
