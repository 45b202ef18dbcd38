"""The repair table of a partner: what is mended in objects that a pull brought broken, and never silently.

Only an object that its Struct refuses is touched. Each rule mends every place of its kind at once, is counted,
and keeps a sample; the object as it came stays beside the mended one (OwnedObject.received), so nothing is lost.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from django.db.models import F
from django.utils import timezone

from ocpi_hub.exchange.models import RepairRule
from ocpi_hub.exchange.objects.merging import JSONObject
from ocpi_hub.exchange.objects.ownedobject import OwnedObject, owned_models
from ocpi_hub.partners.models import Platform
from ocpi_hub.protocol.codec import InvalidObject, check
from ocpi_hub.protocol.envelope import format_time
from ocpi_hub.protocol.types import PartyRef

Kind = RepairRule.Kind

# What every partner's table starts with, for every module; modules add their own (OwnedObject.repairs).
STANDARD: tuple[tuple[str, str, Any, bool], ...] = (
    (Kind.OWNER, "", None, True),
    (Kind.TEXT, "", None, True),
    (Kind.NUMBER, "", None, True),
    (Kind.TIME, "", None, True),
)
MOST_ROUNDS = 40  # distinct places of one object that are mended before it is given up
SAMPLE_LENGTH = 200


class Place(NamedTuple):
    """A value inside the object: the container, its key there, and the concrete path."""

    container: Any
    key: Any
    path: str

    @property
    def value(self) -> Any:
        return self.container.get(self.key) if isinstance(self.container, dict) else self.container[self.key]


class RepairTable:
    """A partner's enabled rules for one module, and the tally of this pull."""

    def __init__(self, platform: Platform, model: type[OwnedObject]) -> None:
        self.model = model
        rules = platform.repair_rules.filter(module=model.module)
        if not rules.exists() and platform.repair_rules.exists():
            seed(platform)  # it registered before the hub had this module
        self.rules = [rule for rule in rules if rule.enabled]
        self.switched_off = [rule for rule in rules if not rule.enabled]
        self.tally: Counter[int] = Counter()
        self.samples: dict[int, str] = {}

    def mend(self, raw: Any, owner: PartyRef, error: InvalidObject) -> Any:
        """Mend `raw` in place until it passes; the checked Struct. Raises the InvalidObject that no rule mends."""
        if not isinstance(raw, dict):
            raise error
        case = _Case(self.rules, raw, owner)
        try:
            wire = case.mend(self.model.wire, error)
        except InvalidObject as fault:
            raise self._with_hint(raw, owner, fault) from None
        self.tally.update(+case.used)
        self.samples.update(case.samples)
        return wire

    def _with_hint(self, raw: JSONObject, owner: PartyRef, fault: InvalidObject) -> InvalidObject:
        """The fault, with the name of a rule that would have something to do there if it were switched on."""
        for rule in self.switched_off:
            for place in places(raw, rule.path) if rule.path == generic(fault.place) else ():
                if place.path == fault.place and _REPAIRS[rule.kind](place, rule.argument, owner) is not None:
                    return InvalidObject(
                        fault.place, f"{fault.problem}; the repair {rule.name} is switched off"
                    )
        return fault

    def save(self) -> dict[str, int]:
        """Write the counts into the table; how often each rule was used in this pull."""
        for pk, times in self.tally.items():
            RepairRule.objects.filter(pk=pk).update(
                times=F("times") + times, last_used_at=timezone.now(), sample=self.samples.get(pk, "")
            )
        return {str(rule): self.tally[rule.pk] for rule in self.rules if self.tally[rule.pk]}


class _Case:
    """One broken object, and what was done to it so far."""

    def __init__(self, rules: list[RepairRule], raw: JSONObject, owner: PartyRef) -> None:
        self.rules, self.raw, self.owner = rules, raw, owner
        self.renames = [rule for rule in rules if rule.kind == Kind.RENAME]
        self.used: Counter[int] = Counter()
        self.samples: dict[int, str] = {}
        self.tried: set[tuple[int, str, str | None]] = set()

    def mend(self, struct: type[Any], error: InvalidObject) -> Any:
        first: dict[str, InvalidObject] = {}  # what was wrong at a path before a rule was tried there
        for rule in self.renames:
            self.apply(rule, places(self.raw, rule.path))
        for _ in range(MOST_ROUNDS):
            try:
                return check(self.raw, struct)
            except InvalidObject as fault:
                error = first.setdefault(generic(fault.place), fault)
                if not any(self.mend_at(rule, fault.place) for rule in self.rules) and not self.take_back(
                    fault.place
                ):
                    raise error from None
        raise error

    def mend_at(self, rule: RepairRule, fault: str) -> bool:
        """Whether the rule mends it. It is tried once, else two rules might undo each other for ever."""
        path = generic(fault)
        if rule.kind == Kind.RENAME or rule.path not in ("", path):
            return False
        if rule.kind == Kind.OWNER and path not in ("country_code", "party_id"):
            return False
        found = list(places(self.raw, path))
        refused: str | None = None
        if rule.kind == Kind.VALUE:
            # Beside the refused value stand good ones, which an argument with "*" must not touch.
            refused = next((str(place.value) for place in found if place.path == fault), None)
            found = [place for place in found if place.value == refused]
        mark = (rule.pk, path, refused)
        if mark in self.tried:
            return False
        self.tried.add(mark)
        return self.apply(rule, found)

    def apply(self, rule: RepairRule, found: Iterable[Place]) -> bool:
        done = False
        for place in found:
            before = place.value
            # A copy: a list out of the argument, or from under the older name, would be one in many places.
            after = deepcopy(_REPAIRS[rule.kind](place, rule.argument, self.owner))
            if after is None or after == before:
                continue
            if rule.kind == Kind.RENAME:
                before = f"{rule.argument}: {place.container.get(rule.argument)!r}"
            place.container[place.key] = after
            self.used[rule.pk] += 1
            self.samples[rule.pk] = f"{place.path}: {_short(before)} became {_short(after)}"[:SAMPLE_LENGTH]
            done = True
        return done

    def take_back(self, fault: str) -> bool:
        """Drop what came from under an older name when the object would be refused for it."""
        for rule in self.renames:
            for place in places(self.raw, rule.path):
                refused = fault == place.path or fault.startswith((f"{place.path}[", f"{place.path}."))
                if refused and place.value is not None and place.value == _renamed(place, rule.argument):
                    del place.container[place.key]
                    self.used[rule.pk] -= 1
                    self.samples.pop(rule.pk, None)
                    return True
        return False


def seed(platform: Platform) -> None:
    """Give a new partner its table; rows that are there already stay as the operator left them."""
    rules = [
        RepairRule(platform=platform, module=module, kind=kind, path=path, argument=argument, enabled=enabled)
        for module, model in owned_models().items()
        for kind, path, argument, enabled in (*STANDARD, *model.repairs)
    ]
    RepairRule.objects.bulk_create(rules, ignore_conflicts=True)


def generic(place: str) -> str:
    """`$.evses[0].status` as `evses[].status`."""
    return re.sub(r"\[\d+\]", "[]", place).removeprefix("$.")


def places(raw: Any, path: str) -> Iterator[Place]:
    """Every place that a generic path names, whether the last field is there or not."""
    yield from _walk(raw, path.split("."), "$")


def _walk(container: Any, steps: list[str], at: str) -> Iterator[Place]:
    if not isinstance(container, dict):
        return
    name, is_list = steps[0].removesuffix("[]"), steps[0].endswith("[]")
    here = f"{at}.{name}"
    if not is_list:
        if len(steps) == 1:
            yield Place(container, name, here)
        else:
            yield from _walk(container.get(name), steps[1:], here)
        return
    items = container.get(name)
    for index, item in enumerate(items if isinstance(items, list) else []):
        if len(steps) == 1:
            yield Place(items, index, f"{here}[{index}]")
        else:
            yield from _walk(item, steps[1:], f"{here}[{index}]")


# ------------------------------------------------------------------------------- the repairs, one by one
# Each returns the mended value, or None when it has nothing to do there.
def _text(place: Place, argument: Any, owner: PartyRef) -> Any:
    value = place.value
    return str(value) if isinstance(value, int | Decimal) and not isinstance(value, bool) else None


def _number(place: Place, argument: Any, owner: PartyRef) -> Any:
    value = place.value
    if not isinstance(value, str) or not re.fullmatch(r"-?\d{1,15}(\.\d{1,10})?", value.strip()):
        return None
    try:
        return Decimal(value) if "." in value else int(value)
    except InvalidOperation:
        return None


_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d)(?:\.0*)?)?")


def _time(place: Place, argument: Any, owner: PartyRef) -> Any:
    value = place.value
    if not isinstance(value, str):
        return None
    if clock := _CLOCK.fullmatch(value.strip()):
        return _clock(int(clock[1]), int(clock[2]), int(clock[3] or 0))
    if len(value) < len("2026-01-31"):
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
        # A time without a zone is UTC, as everywhere in OCPI.
        return format_time(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return None


def _clock(hour: int, minute: int, second: int) -> str:
    """HH:MM. Who writes 19:59:59 for an end means 20:00; midnight would turn some ends into a beginning."""
    if second == 59 and (hour, minute) != (23, 59):
        hour, minute = divmod(hour * 60 + minute + 1, 60)
    return f"{hour:02}:{minute:02}"


def _wrap(place: Place, argument: Any, owner: PartyRef) -> Any:
    value = place.value
    return None if value is None or isinstance(value, dict | list) else _filled(argument, value)


def _filled(template: Any, value: Any) -> Any:
    """The template with the value in the place of "*"."""
    if isinstance(template, dict):
        return {name: _filled(item, value) for name, item in template.items()}
    return value if template == "*" else template


def _unwrap(place: Place, argument: Any, owner: PartyRef) -> Any:
    value = place.value
    if not isinstance(value, list) or len(value) > 1:
        return None
    return value[0] if value else {}


def _value(place: Place, argument: Any, owner: PartyRef) -> Any:
    if not isinstance(place.value, str) or not isinstance(argument, dict):
        return None
    mapped = argument.get(place.value, argument.get("*"))
    return None if mapped == place.value else mapped


def _rename(place: Place, argument: Any, owner: PartyRef) -> Any:
    return _renamed(place, argument) if isinstance(place.container, dict) and place.value is None else None


def _renamed(place: Place, argument: Any) -> Any:
    value = place.container.get(argument) if isinstance(argument, str) else None
    # A single value under the older name becomes the list that the newer name stands for.
    return (
        [value]
        if value is not None and str(place.key).endswith("_ids") and not isinstance(value, list)
        else value
    )


def _fill(place: Place, argument: Any, owner: PartyRef) -> Any:
    if place.value is not None or not isinstance(place.container, dict):
        return None
    if isinstance(argument, dict) and "by" in argument:
        by = place.container.get(str(argument["by"]))
        return argument.get("values", {}).get(by) if isinstance(by, str) else None
    return argument


def _owner(place: Place, argument: Any, owner: PartyRef) -> Any:
    if place.value is not None:
        return None
    return owner.country_code if place.key == "country_code" else owner.party_id


_REPAIRS: dict[str, Callable[[Place, Any, PartyRef], Any]] = {
    Kind.TEXT: _text,
    Kind.NUMBER: _number,
    Kind.TIME: _time,
    Kind.WRAP: _wrap,
    Kind.UNWRAP: _unwrap,
    Kind.VALUE: _value,
    Kind.RENAME: _rename,
    Kind.FILL: _fill,
    Kind.OWNER: _owner,
}


def _short(value: Any) -> str:
    text = "nothing" if value is None else repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "…"
