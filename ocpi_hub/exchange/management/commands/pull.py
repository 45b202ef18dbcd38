"""Pull partners' lists now."""

import json
import sys
import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from ocpi_hub.exchange.management.commands.repairs import find_platform
from ocpi_hub.exchange.models import Pull
from ocpi_hub.exchange.objects.ownedobject import owned_models
from ocpi_hub.exchange.objects.reasons import minute
from ocpi_hub.exchange.pulls import pullplans, sync
from ocpi_hub.partners.models import Platform
from ocpi_hub.protocol.envelope import format_time

BAR = 30  # characters
PATIENCE = 120  # seconds
TOLD = 10  # refusals that are told one by one


class Command(BaseCommand):
    help = "Pulls what partners offer, since the last pull or in full, with a progress bar on a terminal."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--platform", type=int, metavar="ID", help="only this platform")
        parser.add_argument("--module", choices=settings.OCPI_MODULES, help="only this module")
        parser.add_argument("--full", action="store_true", help="everything, not only what changed lately")
        parser.add_argument(
            "--wait",
            type=int,
            default=PATIENCE,
            metavar="SECONDS",
            help=f"how long to wait for a partner that is to be called later, {PATIENCE} if not given; workers go on"
            " with what takes longer",
        )
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        found = sync.sources(options["platform"], options["module"])
        if not found:
            raise CommandError(nothing_to_pull(options["platform"], options["module"]))
        reports: list[sync.Report] = []
        for platform, module in found:
            reports += self._pull(platform, module, full=options["full"], patience=options["wait"])
            if sys.stderr.isatty():
                self.stderr.write("")
        if options["json"]:
            self.stdout.write(json.dumps([_as_json(report) for report in reports], indent=1))
        else:
            for report in reports:
                self._tell(report)
        if any(report.pull.state == Pull.State.FAILED for report in reports):
            raise CommandError("at least one list could not be read to its end")
        if any(report.pull.state == Pull.State.WAITING for report in reports):
            raise CommandError("at least one list is not read to its end yet; workers go on with it")

    def _pull(self, platform: Platform, module: str, *, full: bool, patience: float) -> list[sync.Report]:
        """As often as the partner is to be called later, as long as that is worth waiting for."""
        began, done = timezone.now(), []
        while True:
            reports = sync.pull_platform(
                platform.pk, module, full=full, progress=self._progress, done_since=began
            )
            waiting = [report for report in reports if report.pull.state == Pull.State.WAITING]
            done += [report for report in reports if report not in waiting]
            if not waiting:
                return done
            until = max(report.pull.resume_at or timezone.now() for report in waiting)
            seconds = max((until - timezone.now()).total_seconds(), 0)
            if seconds > patience:
                pullplans.leave_to_workers(platform, module, full=full)
                return done + waiting
            patience -= seconds
            self.stderr.write(
                f"{platform} is called again in {seconds:.0f} s, and the pull goes on: {waiting[0].pull.error}"
            )
            time.sleep(seconds)

    def _progress(self, pull: Pull, total: int | None) -> None:
        if not sys.stderr.isatty():
            return
        filled = BAR * min(pull.received, total) // total if total else 0
        bar = f"[{'#' * filled}{'.' * (BAR - filled)}]" if total else ""
        self.stderr.write(
            f"\r{pull.module} of {pull.party} {bar} {pull.received} of {total or '?'} ", ending=""
        )
        self.stderr.flush()

    def _tell(self, report: sync.Report) -> None:
        pull = report.pull
        kind = "full" if pull.full else "incremental"
        self.stdout.write(
            f"{pull.module} of {pull.party} from {pull.platform} ({kind}, {pull.get_state_display()}): "
            f"{pull.received} received, {pull.new} new, {pull.changed} changed, {pull.unchanged} unchanged, "
            f"{pull.stale} older than ours, {pull.repaired} repaired, {pull.refused} refused"
        )
        if pull.missing:
            self.stdout.write(f"  no longer listed: {pull.missing}, {became(pull)}")
        if pull.note:
            self.stdout.write(f"  {pull.note}")
        if pull.state == Pull.State.WAITING and pull.resume_at:
            self.stdout.write(
                f"  {pull.error}: it is called again at {minute(pull.resume_at)}, and a worker goes on then"
            )
        elif pull.error:
            self.stdout.write(f"  stopped: {pull.error}")
        for rule, times in report.repairs.items():
            self.stdout.write(f"  repaired {times} x {rule}")
        for refusal in report.refusals[:TOLD]:
            self.stdout.write(f"  refused {refusal['id']}: {refusal['reason']}")
        if len(report.refusals) > TOLD:
            self.stdout.write(
                f"  and {len(report.refusals) - TOLD} more, all in the admin under Refused objects"
            )


def became(pull: Pull) -> str:
    """What is done with what its owner no longer lists."""
    if owned_models()[pull.module].deletable:
        return "deleted here and at whoever has them"
    return "kept and marked as missing since; the pull plan says when others are told"


def nothing_to_pull(number: int | None, module: str | None) -> str:
    if number is None:
        return "no registered partner offers such a list"
    platform = find_platform(number)
    if not Platform.objects.registered().filter(pk=number).exists():
        return f"{platform} is not registered; it is {platform.get_status_display()}"
    lists = f"list of {module}" if module else "list"
    return f"{platform} offers no {lists} that is ours to read"


def _as_json(report: sync.Report) -> dict[str, Any]:
    pull = report.pull
    counts = ("pages", "received", "new", "changed", "unchanged", "stale", "refused", "repaired", "missing")
    return {
        "platform": pull.platform.name,
        "platform_id": pull.platform_id,
        "module": pull.module,
        "party": pull.party,
        "full": pull.full,
        "state": pull.state.lower(),
        "error": pull.error or None,
        "resume_at": format_time(pull.resume_at) if pull.resume_at else None,
        "note": pull.note or None,
        **{name: getattr(pull, name) for name in counts},
        "repairs": report.repairs,
        "refusals": report.refusals,
    }
