"""Show and switch a partner's repair table."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ocpi_hub.exchange.models import RepairRule
from ocpi_hub.partners.models import Platform


class Command(BaseCommand):
    help = "Lists the repair rules of a partner with their numbers and counts; switches them on or off."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--platform", type=int, required=True, metavar="ID")
        parser.add_argument(
            "--enable", action="append", default=[], metavar="RULE", help="such as FILL:publish"
        )
        parser.add_argument("--disable", action="append", default=[], metavar="RULE")
        parser.add_argument("--json", action="store_true", help="print the table as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        platform = find_platform(options["platform"])
        rules = RepairRule.objects.filter(platform=platform)
        if not rules.exists():
            raise CommandError(f"{platform} has no repair table yet: it gets one when it registers")
        for enabled, names in ((True, options["enable"]), (False, options["disable"])):
            for name in names:
                kind, _, path = name.partition(":")
                if not rules.filter(kind=kind, path=path).update(enabled=enabled):
                    raise CommandError(f"{platform} has no rule {name}")
        table = [
            {
                "module": rule.module,
                "rule": rule.name,
                "argument": rule.argument,
                "enabled": rule.enabled,
                "times": rule.times,
            }
            for rule in rules
        ]
        if options["json"]:
            self.stdout.write(json.dumps(table, indent=1))
            return
        for row in table:
            state = "on " if row["enabled"] else "off"
            self.stdout.write(f"{state} {row['module']:<10} {row['rule']:<55} used {row['times']} times")


def find_platform(number: int) -> Platform:
    """Raises CommandError when there is none."""
    platform = Platform.objects.filter(pk=number).first()
    if platform is None:
        raise CommandError(f"there is no platform {number}")
    return platform
