"""What the next digest of error reports would tell; and mail, to try whether it arrives."""

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.validators import validate_email

from ocpi_hub.errorreports import digests
from ocpi_hub.errorreports.letters import Letter
from ocpi_hub.partners.models import Platform


class Command(BaseCommand):
    help = (
        "Prints what the next digest would tell the operators, or a partner. With --to it is sent to that address now,"
        " to try the settings of mail; the digest of the day tells it all the same."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--platform", type=int, metavar="ID", help="the one to this partner")
        parser.add_argument("--to", metavar="ADDRESS", help="send it to this address now")

    def handle(self, *args: Any, **options: Any) -> None:
        reader = find(options["platform"]) if options["platform"] is not None else None
        letter = digests.letter_to(reader, digests.reports_for(reader))
        if letter is None:
            letter = Letter(
                f"{settings.HUB_NAME}: nothing to tell", "Nothing has happened since the last digest.\n"
            )
        self.stdout.write(f"Subject: {letter.subject}\n\n{letter.text}")
        if options["to"]:
            self._send(letter, options["to"])

    def _send(self, letter: Letter, to: str) -> None:
        try:
            validate_email(to)
        except ValidationError as error:
            raise CommandError(f"{to} is no address") from error
        if not settings.EMAIL_HOST:
            raise CommandError("EMAIL_HOST is not set, so nothing can be sent")
        try:
            digests.post(letter, [to])
        except (OSError, ValueError) as error:
            raise CommandError(f"{settings.EMAIL_HOST} did not take it: {digests.said(error)}") from error
        self.stdout.write(f"{settings.EMAIL_HOST} took it for {to}.")


def find(number: int) -> Platform:
    """Raises CommandError when there is none."""
    platform = Platform.objects.filter(pk=number).first()
    if platform is None:
        raise CommandError(f"there is no platform {number}")
    return platform
