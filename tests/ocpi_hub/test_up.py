"""What `manage.py up` says about its settings before anything starts, and when everything runs."""

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError

from ocpi_hub.management.commands import up
from tests.ocpi_hub.machine import free_port


def test_a_wrong_setting_is_one_line(settings: Any) -> None:
    settings.HUB_PORT = 80000

    with pytest.raises(CommandError) as refused:
        up.look_at_settings()

    assert str(refused.value) == (
        "HUB_PORT must be between 1 and 65535, and is 80000. See docs/operating.md."
    )


def test_several_wrong_settings_are_a_line_each(settings: Any) -> None:
    settings.HUB_DB_POOL = -1
    settings.MISREAD_SETTINGS = ["HUB_PORT is not a whole number: 'abc'"]

    with pytest.raises(CommandError) as refused:
        up.look_at_settings()

    first, *errors = str(refused.value).splitlines()
    assert first == "The settings are wrong:"
    assert (
        "  HUB_PORT is not a whole number: 'abc'. docs/operating.md lists every variable and its form."
        in errors
    )
    assert sorted(error.split(" ")[2] for error in errors) == ["HUB_DB_POOL", "HUB_PORT"]


def test_a_warning_is_told_and_the_hub_starts(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setenv("HUB_PROT", "8010")

    up.look_at_settings()

    said = capsys.readouterr().out
    assert "warning: HUB_PROT is no setting of the hub. Did you mean HUB_PORT?\n" in said


def test_a_redis_that_does_not_answer_is_a_warning_without_its_login(settings: Any, capsys: Any) -> None:
    settings.EMBEDDED_REDIS, port = False, free_port()
    settings.REDIS_URL = f"redis://:secret@127.0.0.1:{port}/0"

    up.look_for_redis()

    said = capsys.readouterr().out
    assert f"warning: Redis at 127.0.0.1:{port} does not answer; pushes are delivered by the sweep" in said
    assert "secret" not in said


def test_a_redis_that_answers_or_is_brought_along_needs_no_word(settings: Any, capsys: Any) -> None:
    up.look_for_redis()
    settings.EMBEDDED_REDIS, settings.REDIS_URL = True, "redis://127.0.0.1:9/0"
    up.look_for_redis()

    assert capsys.readouterr().out == ""


@pytest.mark.django_db(transaction=True)
def test_the_first_admin_is_asked_for_with_the_command_that_makes_one(
    settings: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    settings.HUB_VAR, settings.HUB_BASE_URL = Path("/srv/my hub"), "http://127.0.0.1:8010"
    monkeypatch.setenv("HUB_VAR", "/srv/my hub")
    monkeypatch.setattr(sys, "executable", str(settings.BASE_DIR / ".venv/bin/python"))

    up.welcome()
    User.objects.create_superuser("root")
    up.welcome()

    said = [re.sub(r"^\S+ ", "", line) for line in capsys.readouterr().out.splitlines()]
    admin = "The admin: http://127.0.0.1:8010/admin/"
    make = "HUB_VAR='/srv/my hub' .venv/bin/python manage.py createsuperuser"
    assert said == [admin, f"No admin user yet: make one with {make}", admin]
