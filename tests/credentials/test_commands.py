"""What `manage.py invite` and `manage.py register` refuse."""

import logging
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from credentials import handshake
from ocpi_hub.partners.models import Platform

NAMELESS = [("", "cannot be blank"), ("  ", "cannot be blank"), ("A" * 101, "at most 100 characters")]
REGISTER = ("register", "--versions-url", "https://nobody.example/versions", "--token", "secret")


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "reason"), NAMELESS)
@pytest.mark.parametrize("command", [("invite", "--party", "NL-ABC-CPO"), REGISTER], ids=lambda row: row[0])
def test_a_platform_needs_a_name(command: tuple[str, ...], name: str, reason: str) -> None:
    with pytest.raises(CommandError, match=f"^--name: .*{reason}"):
        call_command(*command, "--name", name)

    assert not Platform.objects.exists()


@pytest.mark.django_db
def test_a_name_is_kept_without_the_spaces_around_it() -> None:
    call_command("invite", "--name", " ABC ", "--party", "NL-ABC-CPO", stdout=StringIO())

    assert Platform.objects.get().name == "ABC"


@pytest.mark.usefixtures("network")
@pytest.mark.django_db
def test_the_reason_of_a_refused_registration_is_told_once(caplog: Any) -> None:
    with pytest.raises(CommandError, match=r"nobody\.example") as refused:
        call_command(*REGISTER, "--name", "Nobody")

    assert "\n" not in str(refused.value)
    assert caplog.records == []
    assert handshake.logger.level == logging.NOTSET  # the admin's log line stays
