"""List what was given up, try it again, or discard it with a note."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Count, Max, QuerySet

from ocpi_hub import commandline
from ocpi_hub.exchange.deliveries import deadletters, reopening
from ocpi_hub.exchange.management.commands.repairs import find_platform
from ocpi_hub.exchange.models import DeadLetter, Delivery

State = DeadLetter.State


class Command(BaseCommand):
    help = (
        "Lists dead letters by partner and cause, tries them again, or discards them with a note; reopen takes that"
        " back, so that they can be tried again; give-up makes dead letters of what waits for a partner. The admin's"
        " page Dead letters does the same. Every action is kept with who did it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["list", "retry", "discard", "reopen", "give-up"])
        parser.add_argument("--platform", type=int, metavar="ID")
        parser.add_argument("--cause", help='such as "refused 2001"; list names them')
        parser.add_argument("--module")
        parser.add_argument("--letter", type=int, action="append", metavar="ID", help="may be repeated")
        parser.add_argument(
            "--all", action="store_true", help="of every partner: retry and discard want a choice"
        )
        parser.add_argument("--note", default="", help="why; discard wants one")
        commandline.add_by(parser)
        parser.add_argument("--each", action="store_true", help="list every letter and not only their counts")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["platform"] is not None:
            find_platform(options["platform"])
        state = State.DISCARDED if options["action"] == "reopen" else State.OPEN
        letters, chosen = _chosen(options, state)
        if options["action"] == "list":
            nothing = "Nothing is given up."
            if options["cause"] is not None:
                nothing = _without_that_cause(options, state)
            self._list(letters, nothing, each=options["each"], as_json=options["json"])
            return
        by = commandline.acting(options["by"])
        if options["action"] == "give-up":
            self._give_up(options, by)
            return
        if not chosen and not options["all"]:
            raise CommandError("say which: --platform, --cause, --module, --letter, or --all")
        if options["cause"] is not None and not letters.exists():
            raise CommandError(_without_that_cause(options, state))
        if options["action"] == "reopen":
            count = reopening.reopen(letters, by, chosen or "all", options["note"])
            self.stdout.write(f"{count} are given up again: retry them now.")
            return
        if options["action"] == "retry":
            done = deadletters.retry(letters, by, chosen or "all", options["note"])
            self.stdout.write(f"{done}.")
            return
        if not options["note"].strip():
            raise CommandError("say why they are discarded: --note")
        count = deadletters.discard(letters, by, chosen or "all", options["note"])
        self.stdout.write(f"{count} are discarded.")

    def _give_up(self, options: dict[str, Any], by: str) -> None:
        """What waits for a partner, and by its schedule would wait on."""
        if options["platform"] is None:
            raise CommandError("say whose waiting deliveries: --platform")
        waiting = Delivery.objects.filter(platform_id=options["platform"])
        chosen = f"waiting deliveries of platform {options['platform']}"
        if module := options["module"]:
            waiting, chosen = waiting.filter(module=module), f"{chosen}, module {module}"
        done = deadletters.give_up(waiting, by, chosen, options["note"])
        self.stdout.write(f"{done} are given up: retry or discard them.")

    def _list(self, letters: QuerySet[DeadLetter], nothing: str, *, each: bool, as_json: bool) -> None:
        rows = list(_each(letters) if each else _groups(letters))
        if as_json:
            self.stdout.write(json.dumps(rows, indent=1, default=str))
            return
        if not rows:
            self.stdout.write(nothing)
        for row in rows:
            self.stdout.write("  ".join(str(value) for value in row.values()))


def _chosen(options: dict[str, Any], state: State) -> tuple[QuerySet[DeadLetter], str]:
    """The letters in this state that the options leave, and the choice in words; empty: all."""
    fields = {"platform": "platform_id", "cause": "cause", "module": "module", "letter": "pk__in"}
    given = {name: options[name] for name in fields if options[name] is not None}
    letters = DeadLetter.objects.filter(state=state)
    words = [
        f"{name} {', '.join(map(str, value)) if isinstance(value, list) else value}"
        for name, value in given.items()
    ]
    return letters.filter(**{fields[name]: value for name, value in given.items()}), ", ".join(words)


def _without_that_cause(options: dict[str, Any], state: State) -> str:
    """Names the causes that there are among the rest of the choice."""
    others, chosen = _chosen({**options, "cause": None}, state)
    causes = others.order_by("cause").values_list("cause", flat=True).distinct()
    place = f" ({chosen})" if chosen else ""
    there = f"there are: {', '.join(causes)}" if causes else "nothing is given up there"
    return f"no open dead letter has the cause {options['cause']}{place}; {there}"


def _groups(letters: QuerySet[DeadLetter]) -> list[dict[str, Any]]:
    counted = letters.order_by().values("platform_id", "platform__name", "module", "cause")
    return [
        {
            "letters": row["count"],
            "platform": f"{row['platform__name']} (#{row['platform_id']})",
            "module": row["module"],
            "cause": row["cause"],
            "last": f"{row['last']:%Y-%m-%dT%H:%M:%SZ}",
        }
        for row in counted.annotate(count=Count("pk"), last=Max("given_up_at")).order_by(
            "-count", "platform_id"
        )
    ]


def _each(letters: QuerySet[DeadLetter]) -> list[dict[str, Any]]:
    return [
        {
            "letter": letter.pk,
            "to": letter.to_party,
            "object": f"{letter.module}/{letter.path}",
            "cause": letter.cause,
            "given_up": f"{letter.given_up_at:%Y-%m-%dT%H:%M:%SZ}",
            "tries": letter.tries,
            "reason": letter.reason,
        }
        for letter in letters.order_by("id").iterator()
    ]
