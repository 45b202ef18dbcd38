"""Why has a partner not got it."""

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ocpi_hub.exchange.explaining.explanation import Explanation, Has, explain
from ocpi_hub.exchange.objects import objectnames
from ocpi_hub.partners import naming

NOT_ANSWERED = 2


class Command(BaseCommand):
    help = (
        "Says whether a party may see an object, whether its list shows it, whether it got it by push and when, "
        "and if not, why and who can do what about it. The first line is the answer. "
        "Exit code 0: it has the newest state; 1: it has not, or the hub cannot tell; 2: there is no such party, "
        "or the object's name cannot be read."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--party", required=True, metavar="DE-MSP-EMSP", help="the role may be left out")
        parser.add_argument(
            "--object",
            required=True,
            metavar="locations/NL/ABC/LOC1",
            help="module, owner, id, and EVSE and Connector if you like; a token's type follows as ?type=APP_USER; "
            "percent-encoded as in a URL, of which any beginning may be left on",
        )
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            party = naming.party_named(options["party"])
            name = objectnames.named(options["object"])
        except ValueError as error:
            raise CommandError(str(error), returncode=NOT_ANSWERED) from error
        found = explain(party, name)
        self.stdout.write(json.dumps(found.as_json(), indent=1) if options["json"] else told(found))
        if found.has is not Has.NEWEST:
            sys.exit(1)


def told(found: Explanation) -> str:
    """The answer, the two questions apart, and a line for each reason."""
    lines = [
        found.headline,
        f"  may see it: {_word(found.may_see)}; in its list now: {_word(found.listed)}; has: {found.has}",
    ]
    return "\n".join([*lines, *(f"  {reason.about + ':':<11}{reason}" for reason in found.reasons)])


def _word(answer: bool) -> str:
    return "yes" if answer else "no"
