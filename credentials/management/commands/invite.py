"""Invite a partner who will start the credentials handshake."""

import json
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from credentials import handshake
from ocpi_hub.partners.claims import Claim, ClaimRefused
from ocpi_hub.partners.models import Platform


class Command(BaseCommand):
    help = (
        "Prints JSON with platform_id, token (token A, shown this once) and versions_url. "
        "Hand token and URL to the partner over a safe channel; its software registers with them."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--name", required=True, help="what to call the partner in the admin")
        parser.add_argument(
            "--party",
            action="append",
            required=True,
            metavar="NL-ABC-CPO",
            help="a party and role that it may announce: country code, party id, role; repeat for more",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            wanted = [Claim.parse(text) for text in options["party"]]
            platform, token = handshake.invite(a_name(options["name"]), wanted)
        except (ValueError, ClaimRefused) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            json.dumps({"platform_id": platform.pk, "token": token, "versions_url": handshake.versions_url()})
        )


def a_name(text: str) -> str:
    """The name as the admin would take it. Raises CommandError."""
    name = text.strip()
    try:
        Platform._meta.get_field("name").clean(name, None)
    except ValidationError as error:
        raise CommandError(f"--name: {' '.join(error.messages)}") from error
    return name
