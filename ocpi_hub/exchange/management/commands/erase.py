"""Erase a driver's data on request, keeping what invoices need."""

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ocpi_hub import commandline
from ocpi_hub.erasure import Plan
from ocpi_hub.exchange.housekeeping import erasing
from ocpi_hub.exchange.models import Erasure


class Command(BaseCommand):
    help = (
        "Erases what the hub holds of the driver of a token: prints first what goes, what stays and why, then does it,"
        " table by table. CDRs stay. What is under way to a partner waits: run it again later, as often as you like."
        " It orders nobody else to erase anything: the token's provider must withdraw it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--token",
            required=True,
            metavar="DE*MSP/UID",
            help="the token's provider and uid; - reads it from the input, and no shell remembers it",
        )
        parser.add_argument(
            "--contract",
            action="append",
            default=[],
            help="a contract id that goes with it, wherever it stands",
        )
        parser.add_argument(
            "--note", default="", help="for the audit, such as the request's number; no token"
        )
        commandline.add_by(parser)
        parser.add_argument(
            "--dry-run", action="store_true", help="say what would happen, and change nothing"
        )
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        name = sys.stdin.readline() if options["token"] == "-" else options["token"]  # noqa: S105  # no secret
        try:
            driver = erasing.driver_named(name, tuple(options["contract"]))
        except ValueError as error:
            raise CommandError(str(error)) from None
        found, by = erasing.plan(driver), commandline.acting(options["by"])
        if options["json"]:
            done = None if options["dry_run"] else erasing.erase(driver, by, options["note"])
            self.stdout.write(json.dumps(as_json(found, done)))
            return
        self._tell(found)
        if not options["dry_run"]:
            self.stdout.write("Erasing:")
            row = erasing.erase(driver, by, options["note"], lambda one: self._say(erasing.told(one)))
            self._say(
                f"audit row {row.pk}"
                + (f"; {row.waiting} rows are left: run it again" if row.waiting else "")
            )

    def _tell(self, found: Plan) -> None:
        earlier = erasing.before(found.driver)
        self.stdout.write(
            "The hub holds of this driver:" if found.findings else "The hub holds nothing of it."
        )
        for one in found.findings:
            self._say(erasing.foretold(one))
        for text in found.notes:
            self.stdout.write(text)
        for row in earlier:
            self.stdout.write(f"It was {row} already, by {row.by}.")

    def _say(self, text: str) -> None:
        self.stdout.write(f"  {text}")
        self.stdout.flush()


def as_json(found: Plan, done: Erasure | None) -> dict[str, Any]:
    return {
        "found": [
            {
                "what": one.holding.what,
                "fate": one.holding.fate.name.lower(),
                "rows": one.rows,
                "waiting": one.waiting,
                "unclear": one.unclear,
                "alike": one.alike,
                "why": one.holding.why,
            }
            for one in found.findings
        ],
        "notes": found.notes,
        "audit": done.pk if done else None,
        "waiting": done.waiting if done else found.waiting,
    }
