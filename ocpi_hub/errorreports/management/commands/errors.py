"""Error reports on the command line: list them, read one, say what is done about some."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import QuerySet
from django.utils import timezone

from ocpi_hub import background, commandline
from ocpi_hub.errorreports import aftermath, states, words
from ocpi_hub.errorreports.aftermath import Aftermath
from ocpi_hub.errorreports.models import ErrorReport
from ocpi_hub.partners.models import Platform

State = ErrorReport.State

MOST_OCCURRENCES = 10  # shown of one report
ACTIONS = {"acknowledge": State.ACKNOWLEDGED, "resolve": State.RESOLVED, "open": State.OPEN}


class Command(BaseCommand):
    help = (
        "Lists the error reports that are not resolved, what waits for somebody first; shows one with what it means"
        " and what to do; or puts some into another state, with a note that others read in the admin."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--show", type=int, metavar="ID", help="one report, with its newest failures")
        what.add_argument("--acknowledge", type=int, nargs="+", metavar="ID", help="somebody is at it")
        what.add_argument("--resolve", type=int, nargs="+", metavar="ID", help="it is mended")
        what.add_argument("--open", type=int, nargs="+", metavar="ID", help="it is not mended after all")
        parser.add_argument("--note", default="", help="what you found or did")
        commandline.add_by(parser)
        parser.add_argument("--all", action="store_true", help="list resolved ones as well")
        parser.add_argument("--platform", type=int, metavar="ID", help="list those of one partner")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        background.flush()  # what this process has noted so far
        for name, state in ACTIONS.items():
            if options[name]:
                self._put(options[name], state, options)
                return
        if options["show"] is not None:
            self._show(find(options["show"]), as_json=options["json"])
            return
        self._list(options)

    def _list(self, options: dict[str, Any]) -> None:
        number = options["platform"]
        if number is not None and not Platform.objects.filter(pk=number).exists():
            raise CommandError(f"there is no platform {number}")
        rows = ErrorReport.objects.select_related("platform").in_order()
        if not options["all"]:
            rows = rows.exclude(state=State.RESOLVED)
        if number is not None:
            rows = rows.filter(platform_id=number)
        became = aftermath.of_each(list(rows))
        if options["json"]:
            self.stdout.write(json.dumps([fields(row, became.get(row.pk)) for row in rows], indent=1))
            return
        for row in rows:
            self.stdout.write(f"{row.pk:>6}  {row.state.lower():<12}  {row}")
            since = became[row.pk].short if row.pk in became else ""
            since = f"; since then: {since}" if since else ""
            self.stdout.write(f"{'':8}{words.about(row)}: {words.times(row)}{since}")
        self.stdout.write(summary(rows))

    def _show(self, row: ErrorReport, *, as_json: bool) -> None:
        failures = row.occurrences.all()[:MOST_OCCURRENCES]
        became = aftermath.of(row)
        if as_json:
            newest = [{"at": iso(item.at), **failure(item)} for item in failures]
            self.stdout.write(json.dumps({**fields(row, became), "newest": newest}, indent=1))
            return
        self.stdout.write(f"{row} ({row.state.lower()} since {words.moment(row.state_at)} UTC)")
        self.stdout.write(f"  {words.about(row)}: {words.times(row)}")
        self.stdout.write(f"  meaning: {row.what.meaning}")
        self.stdout.write(f"  to act: {row.what.who}. {row.what.action}")
        if became:
            self.stdout.write(f"  since then: {became.text}")
        for change in row.state_changes.all():
            note = f": {change.note}" if change.note else ""
            who = change.by or "the hub"
            self.stdout.write(f"  {words.moment(change.at)} {change.state.lower()} by {who}{note}")
        self.stdout.write("  newest failures:")
        for item in failures:
            parts = (words.moment(item.at), item.text, item.subject, words.answer(item), item.correlation_id)
            self.stdout.write("    " + "  ".join(part for part in parts if part))

    def _put(self, ids: list[int], state: State, options: dict[str, Any]) -> None:
        """All of them are there, or none is changed."""
        rows = [find(number) for number in ids]
        by = commandline.acting(options["by"])
        for row in rows:
            changed = states.change(row.pk, state, by=by, note=options["note"], now=timezone.now())
            said = f"is {state.lower()} now" if changed else f"was {state.lower()} already"
            self.stdout.write(f"{row.pk:>6}  {said}: {row}, {words.about(row)}")


def find(number: int) -> ErrorReport:
    """Raises CommandError when there is none."""
    row = ErrorReport.objects.select_related("platform").filter(pk=number).first()
    if row is None:
        raise CommandError(f"there is no error report {number}")
    return row


def summary(rows: "QuerySet[ErrorReport]") -> str:
    found = [row.state for row in rows]
    return (
        ", ".join(f"{found.count(state)} {state.lower()}" for state in State if state in found)
        or "nothing is open"
    )


def fields(row: ErrorReport, became: Aftermath | None) -> dict[str, Any]:
    return {
        "id": row.pk,
        "state": row.state,
        "kind": row.kind,
        "title": str(row),
        "meaning": row.what.meaning,
        "who": row.what.who,
        "action": row.what.action,
        "platform": row.platform_id,
        "module": row.module or None,
        "count": row.count,
        "first_seen_at": iso(row.first_seen_at),
        "last_seen_at": iso(row.last_seen_at),
        "reopened": row.reopened,
        "since_then": became and {"text": became.text, **became.counts},
        **failure(row),
    }


def failure(row: Any) -> dict[str, Any]:
    names = ("text", "party", "subject", "http_status", "status_code", "correlation_id", "request_id")
    return {name: getattr(row, name) for name in names}


def iso(at: Any) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
