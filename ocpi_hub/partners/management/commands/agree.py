"""Say who exchanges what with whom, and show what holds."""

import json
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Q

from ocpi_hub.partners import agreements, naming
from ocpi_hub.partners.agreements import EVERY_MODULE, Standing
from ocpi_hub.partners.models import Agreement


class Command(BaseCommand):
    help = (
        "Opens or closes the exchange between two parties, of one module or of all, and prints what holds now "
        "and what held before. An agreement is of the two parties, in any order and in all their roles; the role "
        "in a name only says whom you mean, and must be one that the party has or is invited in. One on a module "
        "counts before one on all; without any HUB_AGREEMENTS decides. No other agreement changes."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--allow", action="store_true", help="they exchange it")
        what.add_argument("--deny", action="store_true", help="they do not")
        what.add_argument(
            "--forget",
            action="store_true",
            help="take their agreement away: the one on every module counts again, or the default",
        )
        what.add_argument("--list", action="store_true", help="show the agreements that stand")
        parser.add_argument(
            "--between", nargs=2, metavar=("NL-ABC-CPO", "DE-MSP-EMSP"), help="the two parties"
        )
        parser.add_argument("--party", metavar="NL-ABC-CPO", help="with --list: only agreements of this one")
        parser.add_argument(
            "--module", choices=Agreement.modules(), default="", help="only this module; else every one"
        )
        parser.add_argument("--note", help="why, for other operators")
        parser.add_argument(
            "--new", action="store_true", help="a party that this hub does not know yet is no mistake"
        )
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["list"]:
            self._list(options)
            return
        if not options["between"]:
            raise CommandError("--between names the two parties, such as --between NL-ABC-CPO DE-MSP-EMSP")
        # What stands for a party that never came, or has gone, can be forgotten all the same.
        known = options["new"] or options["forget"]
        first, second = sorted(key_of(text, new=known) for text in options["between"])
        module = options["module"] or EVERY_MODULE
        before = Standing.between(first, second, module)
        self._change(first, second, module, options)
        self._tell(first, second, module, before, as_json=options["json"])

    def _change(self, first: str, second: str, module: str, options: dict[str, Any]) -> None:
        if options["forget"]:
            if not agreements.forget(first, second, module):
                raise CommandError(
                    f"{first} and {second} have no agreement on {module or 'every module'}; "
                    f"it is {Standing.between(first, second, module)}"
                )
            return
        try:
            agreements.settle(first, second, module, allowed=options["allow"], note=options["note"])
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error

    def _tell(self, first: str, second: str, module: str, before: Standing, *, as_json: bool) -> None:
        now = Standing.between(first, second, module)
        special = (
            Agreement.objects.filter(first=first, second=second).exclude(module="") if not module else []
        )
        if as_json:
            found = {"parties": [first, second], "module": module or None, **_standing(now)}
            found["before"] = _standing(before)
            found["except"] = {row.module: row.allowed for row in special}
            self.stdout.write(json.dumps(found, indent=1))
            return
        self.stdout.write(f"{first} and {second}, {module or 'every module'}: {now}")
        self.stdout.write(f"  before: {before}")
        for row in special:
            self.stdout.write(f"  except {row.module}: {Standing(row.allowed, row)}")

    def _list(self, options: dict[str, Any]) -> None:
        rows = Agreement.objects.all()
        if options["party"]:
            key = key_of(options["party"], new=options["new"])
            rows = rows.filter(Q(first=key) | Q(second=key))
        if options["module"]:
            rows = rows.filter(module=options["module"])
        default = agreements.open_by_default()
        if options["json"]:
            found = [{"parties": [row.first, row.second], **_agreement(row)} for row in rows]
            self.stdout.write(json.dumps({"default": default, "agreements": found}, indent=1))
            return
        for row in rows:
            state = "open" if row.allowed else "closed"
            self.stdout.write(
                f"{state:<6}  {row.first:<6}  {row.second:<6}  {row.about:<16}  "
                f"since {row.changed_at:%Y-%m-%d %H:%M} UTC  {row.note}".rstrip()
            )
        self.stdout.write(f"all others are {'open' if default else 'closed'} (HUB_AGREEMENTS)")


def key_of(text: str, *, new: bool) -> str:
    """Of a party that the hub knows, or of any when it may be new. Raises CommandError."""
    try:
        return str(naming.party_named(text).key)
    except naming.UnknownParty as unknown:
        if not new:
            raise CommandError(f"{unknown} (--new: it is one that will come)") from unknown
        return naming.Name.parse(text).party.key
    except ValueError as error:
        raise CommandError(str(error)) from error


def _standing(standing: Standing) -> dict[str, Any]:
    return {"allowed": standing.allowed, "agreement": standing.agreement and _agreement(standing.agreement)}


def _agreement(row: Agreement) -> dict[str, Any]:
    return {
        "module": row.module or None,
        "allowed": row.allowed,
        "note": row.note,
        "since": f"{row.changed_at:%Y-%m-%dT%H:%M:%SZ}",
    }
