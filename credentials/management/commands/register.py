"""Register with a partner who gave us an invitation: the hub starts the handshake."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from credentials import handshake
from credentials.management.commands.invite import a_name
from ocpi_hub.exchange.exceptions import OCPIError
from ocpi_hub.partners.claims import Claim, ClaimRefused


class Command(BaseCommand):
    help = "Registers the hub at a partner; prints JSON about the new platform, or exits 1 with the reason."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--name", required=True, help="what to call the partner in the admin")
        parser.add_argument("--versions-url", required=True, help="the partner's versions endpoint")
        parser.add_argument("--token", required=True, help="the token A that the partner gave us")
        parser.add_argument(
            "--party",
            action="append",
            default=[],
            metavar="NL-ABC-CPO",
            help="a party and role that it may announce; repeat for more; none: any that nobody else holds",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            wanted = [Claim.parse(text) for text in options["party"]]
            name = a_name(options["name"])
            with only_errors(handshake.logger):
                platform = handshake.register(name, options["versions_url"], options["token"], wanted)
        except (ValueError, ClaimRefused, OCPIError) as error:
            raise CommandError(" ".join(str(error).split())) from error
        parties = [
            f"{party.country_code}-{party.party_id}-{role}"
            for party in platform.parties.all()
            for role in party.roles
        ]
        self.stdout.write(
            json.dumps(
                {
                    "platform_id": platform.pk,
                    "version": platform.version,
                    "parties": parties,
                    "modules": sorted({row.module for row in platform.endpoints.all()}),
                }
            )
        )


@contextmanager
def only_errors(logger: logging.Logger) -> Iterator[None]:
    """The reason is our last line; a warning beside it, which the admin needs, would tell it twice."""
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
