"""What became of a message, hop by hop."""

import json
from datetime import UTC, datetime, time, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ocpi_hub import commandline
from ocpi_hub.exchange.journeys import journey as journeys
from ocpi_hub.exchange.journeys import journeypages
from ocpi_hub.exchange.journeys.journeypages import Body, Entry, Panel, Shown
from ocpi_hub.journal import searching
from ocpi_hub.journal.models import Look
from ocpi_hub.journal.searching import Span
from ocpi_hub.partners import naming


class Command(BaseCommand):
    help = (
        "Finds a message by whatever id is at hand and tells each of its hops, as the page Journey of the admin does. "
        "Several journeys are listed. Exit code 1: nothing was found, or the search cannot be understood."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "id",
            nargs="?",
            default="",
            help="such as sessions/NL/ABC/S1, a correlation id, token:04A1B2C3D4, NL*ABC; none: the latest",
        )
        parser.add_argument("--party", metavar="NL-ABC", help="only what this party sent or was sent")
        parser.add_argument("--day", type=commandline.day, metavar="2026-03-01", help="only of this day, UTC")
        parser.add_argument("--since", type=commandline.moment, metavar="2026-03-01T07:00", help="UTC")
        parser.add_argument("--until", type=commandline.moment, metavar="2026-03-01T08:00", help="UTC")
        parser.add_argument(
            "--checks",
            action="store_true",
            help="list the hub's own checks as well: whether a partner is there, and holds what it got",
        )
        parser.add_argument("--bodies", action="store_true", help="with headers and bodies")
        parser.add_argument(
            "--clear", metavar="WHAT-FOR", help="show what names a driver; that you looked is written down"
        )
        parser.add_argument("--json", action="store_true", help="print JSON, with headers and bodies")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            wanted = searching.understood(options["id"])
            party = naming.party_named(options["party"]) if options["party"] else None
        except ValueError as error:
            raise CommandError(str(error)) from error
        span = span_of(options)
        ids = searching.found(wanted, party, span, checks=options["checks"]) or journeys.outside_the_journal(
            options["id"]
        )
        if not ids:
            raise CommandError(f"nothing found; understood as {wanted.said}")
        if len(ids) > 1:
            self.several(journeypages.entries(ids), options["json"])
            return
        panel = journeypages.panel(journeys.journey(ids[0]), clear=options["clear"] is not None)
        if options["clear"] is not None:
            Look.objects.create(
                who=commandline.acting(),
                asked=options["id"],
                correlation_ids=ids,
                note=options["clear"],
            )
        self.stdout.write(as_json(panel) if options["json"] else told(panel, options["bodies"]))

    def several(self, entries: list[Entry], is_json: bool) -> None:
        if is_json:
            self.stdout.write(json.dumps([entry._asdict() for entry in entries], indent=1))
            return
        for entry in entries:
            self.stdout.write(f"{entry.at}  {entry.who}: {entry.text}: {entry.outcome}, {entry.hops} hops")
            self.stdout.write(f"    manage.py journey correlation:{entry.correlation_id}")


def span_of(options: dict[str, Any]) -> Span:
    """Raises CommandError."""
    if options["day"] is None:
        return Span(options["since"], options["until"])
    if options["since"] or options["until"]:
        raise CommandError("--day goes without --since and --until")
    begin = datetime.combine(options["day"], time(), UTC)
    return Span(begin, begin + timedelta(days=1))


def told(panel: Panel, bodies: bool) -> str:
    """The headline, and a line for each step with what differs below it."""
    lines = [f"{panel.correlation_id}: {panel.headline}"]
    for step in panel.steps:
        lines += [journeypages.line_of(step), *_below(step, bodies)]
    if panel.is_masked:
        lines.append("What names a driver is masked as ***; --clear WHAT-FOR shows it.")
    return "\n".join(lines)


def _below(step: Shown, bodies: bool) -> list[str]:
    lines = []
    for compared in step.compared:
        lines.append(f"    {compared.headline}")
        lines += [
            f"      {one.place}: {one.came or 'not there'} → {one.went or 'not there'}"
            for one in compared.differences
        ]
    if bodies:
        lines += [f"    {name}: {value}" for name, value in step.heads]
        for body in step.bodies:
            lines += _body(body)
    return lines


def _body(body: Body) -> list[str]:
    return [f"    {body.name}, {body.note}", *(f"      {line.text}" for line in body.lines)]


def as_json(panel: Panel) -> str:
    steps = [
        {
            "at": step.at,
            **step.said._asdict(),
            "headers": dict(step.heads),
            "bodies": {body.name: "\n".join(line.text for line in body.lines) for body in step.bodies},
            "differences": [one._asdict() for compared in step.compared for one in compared.differences],
        }
        for step in panel.steps
    ]
    known = {"correlation_id": panel.correlation_id, "headline": panel.headline, "steps": steps}
    return json.dumps(known, indent=1, ensure_ascii=False)
