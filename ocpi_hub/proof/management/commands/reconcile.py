"""Compare what was accepted with what partners have, now."""

import json
import sys
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import QuerySet
from django.utils import timezone

from ocpi_hub import commandline
from ocpi_hub.exchange.management.commands.repairs import find_platform
from ocpi_hub.partners.models import Platform
from ocpi_hub.proof import asking, gaps, runs
from ocpi_hub.proof.models import Asking, Gap, Reconciliation, Run

NOT_DONE = 2
NOT_PROVEN = 3
MOST_NAMED = 50  # gaps of one partner
COLUMNS = ("accepted", "acknowledged", "waiting", "given_up", "never_sent", "asked", "held", "gaps")


class Command(BaseCommand):
    help = (
        "Compares what the hub accepted with what partners acknowledged, and asks them for CDRs and Sessions. "
        "Prints counts for each partner, module and day, and each gap by name. "
        "Exit code 0: there is no open gap; 1: there is; 2: it could not be done; 3: none is open, but a partner"
        " answers 404 for all that it acknowledged, so nothing is proven."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--platform", type=int, metavar="ID", help="only this platform")
        parser.add_argument("--module", choices=settings.OCPI_MODULES, help="only this module")
        days = parser.add_mutually_exclusive_group()
        days.add_argument("--day", type=commandline.day, metavar="2026-03-01", help="only what changed then")
        days.add_argument(
            "--since", type=commandline.day, metavar="2026-03-01", help="what changed from then on"
        )
        asking = parser.add_mutually_exclusive_group()
        asking.add_argument("--ask", action="store_true", default=True, help="ask partners (the default)")
        asking.add_argument("--no-ask", action="store_false", dest="ask", help="ask no partner what it holds")
        parser.add_argument("--fill", action="store_true", help="have every gap that can be filled delivered")
        commandline.add_by(parser)
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        since, until = window(options["day"], options["since"], now)
        module = options["module"] or ""
        done = [
            self._run(platform, now, since=since, until=until, module=module, asks=options["ask"])
            for platform in platforms(options["platform"])
        ]
        found = Gap.objects.filter(platform__in=[run.platform_id for run in done], state__in=gaps.UNFILLED)
        if module:
            found = found.filter(module=module)
        if options["day"]:
            found = found.filter(day=options["day"])
        filling = gaps.fill(found, commandline.acting(options["by"])) if options["fill"] else None
        rows = [row for run in done for row in rows_of(run)]
        unproven = asking.unproven().filter(platform__in=[run.platform_id for run in done])
        if module:
            unproven = unproven.filter(module=module)
        told = (
            as_json(rows, found, unproven)
            if options["json"]
            else "\n".join([*lines(rows, found), *not_checked(done, unproven)])
        )
        self.stdout.write(told)
        if filling:
            self.stderr.write(
                f"{filling.begun} deliveries wait for their turn, {filling.left} gaps cannot be filled"
            )
        if found.exists():
            sys.exit(1)
        if unproven.exists():
            sys.exit(NOT_PROVEN)

    def _run(self, platform: Platform, now: datetime, **wanted: Any) -> Run:
        run = runs.start(platform, now, **wanted)
        if run is None:
            raise CommandError(
                f"{platform} is being reconciled already: see Runs in the admin, and try again later",
                returncode=NOT_DONE,
            )
        run = runs.follow(run)
        if run.state == Run.State.FAILED:
            raise CommandError(f"{platform}: {run.error}", returncode=NOT_DONE)
        return run


def platforms(number: int | None) -> list[Platform]:
    if number is None:
        return list(Platform.objects.registered())
    platform = find_platform(number)
    if not Platform.objects.registered().filter(pk=number).exists():
        raise CommandError(
            f"{platform} is not registered; it is {platform.get_status_display()}", returncode=NOT_DONE
        )
    return [platform]


def window(day: date | None, since: date | None, now: datetime) -> tuple[datetime | None, datetime | None]:
    """What --day and --since mean; no further back than deliveries are kept."""
    first = day or since
    if first is None:
        return None, None
    begin = datetime.combine(first, time(), UTC)
    if begin > now:
        raise CommandError(f"{first} has not begun yet, in UTC", returncode=NOT_DONE)
    if begin < now - timedelta(days=settings.HUB_MESSAGE_DAYS):
        raise CommandError(
            f"deliveries are kept for {settings.HUB_MESSAGE_DAYS} days (HUB_MESSAGE_DAYS): nothing of {first} can be"
            " compared any more",
            returncode=NOT_DONE,
        )
    return begin, begin + timedelta(days=1) if day else None


def rows_of(run: Run) -> list[Reconciliation]:
    days = {(module, day) for module, found in run.counts.items() for day in found}
    rows = Reconciliation.objects.filter(platform=run.platform_id).select_related("platform")
    return [row for row in rows if (row.module, str(row.day)) in days]


def lines(rows: list[Reconciliation], found: Any) -> list[str]:
    head = f"{'day':<11}{'partner':<24}{'module':<18}" + "".join(
        f"{name.replace('_', ' '):>13}" for name in COLUMNS
    )
    table = [head] if rows else ["Nothing was pushed to these partners in that time."]
    for row in rows:
        counts = "".join(f"{getattr(row, name):>13}" for name in COLUMNS)
        table.append(f"{row.day!s:<11}{str(row.platform)[:23]:<24}{row.module:<18}{counts}")
        if row.note:
            table.append(f"{'':<11}{row.note}")
    named = [
        f"gap: {gap.name} at {gap.platform}: {gap.get_kind_display()}, {gap.reason or 'no reason noted'}"
        f"{' (being filled)' if gap.state == Gap.State.FILLING else ''}"
        for gap in found.select_related("platform").order_by("platform_id", "module", "path")[:MOST_NAMED]
    ]
    if (more := found.count() - len(named)) > 0:
        named.append(f"and {more} more: see Gaps in the admin, or --json")
    return [*table, *(named or ["No gap is open."])]


def not_checked(done: list[Run], unproven: "QuerySet[Asking]") -> list[str]:
    """What no gap can be named of, and why; the worst is the last that is read."""
    loud = {(row.platform_id, row.module): row for row in unproven}
    quiet = [
        f"Not checked: {module} at {run.platform}: {why}"
        for run in done
        for module, why in run.notes.items()
        if (run.platform_id, module) not in loud
    ]
    return quiet + [
        f"NOT PROVEN: {row.module} at {row.platform}: {row.reason}. {CALL}" for row in loud.values()
    ]


CALL = "Call the partner; the error report proof.none_found says what to do then."


def as_json(rows: list[Reconciliation], found: Any, unproven: "QuerySet[Asking]") -> str:
    counts = (*COLUMNS, "lost", "different", "unclear")
    return json.dumps(
        {
            "days": [
                {
                    "day": str(row.day),
                    "platform": row.platform.name,
                    "platform_id": row.platform_id,
                    "module": row.module,
                    **{name: getattr(row, name) for name in counts},
                    "note": row.note,
                }
                for row in rows
            ],
            "gaps": [
                {
                    "object": gap.name,
                    "platform_id": gap.platform_id,
                    "kind": gap.kind,
                    "state": gap.state,
                    "reason": gap.reason,
                    "day": str(gap.day),
                }
                for gap in found.order_by("platform_id", "module", "path")
            ],
            "not_proven": [
                {
                    "platform_id": row.platform_id,
                    "module": row.module,
                    "not_found": row.not_found,
                    "reason": row.reason,
                }
                for row in unproven
            ],
        },
        indent=1,
    )
