"""May this party see this object, has it got it, and if not, why: the answer for one party in whole sentences.

explain() asks whynot.py what became of the object at the party's platform, and says beside it what stands in the
party's own way (obstacles.py). What the hub does not have at all is absence.py's.
"""

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from ocpi_hub.exchange.explaining import absence, obstacles, whynot
from ocpi_hub.exchange.explaining.whynot import Answer, Facts
from ocpi_hub.exchange.models import Attempt, DeadLetter, DeadLetterEntry, Delivery
from ocpi_hub.exchange.objects import store
from ocpi_hub.exchange.objects.objectnames import Name
from ocpi_hub.exchange.objects.ownedobject import OwnedObject
from ocpi_hub.exchange.objects.reasons import Reason, minute, moment
from ocpi_hub.partners.models import Party, Platform, Status

State = Delivery.State


class Has(StrEnum):
    """Which state of an object a party has got, as far as the hub can know."""

    NEWEST = "newest"
    OLDER = "older"
    NOTHING = "nothing"
    UNKNOWN = "unknown"  # it fetches it by itself, or nothing is on record any more


class Explanation(NamedTuple):
    party: Party
    name: Name
    headline: str  # the answer
    may_see: bool
    listed: bool  # it would find it in its list of the hub now
    has: Has
    at: datetime | None  # since when it has the state that it has
    reasons: list[Reason]
    row: OwnedObject | None = None  # the copy that counts

    def as_json(self) -> dict[str, Any]:
        return {
            "party": self.party.key,
            "platform": self.party.platform.name,
            "object": str(self.name),
            "answer": self.headline,
            "may_see": self.may_see,
            "listed": self.listed,
            "has": self.has,
            "since": self.at and moment(self.at),
            "reasons": [reason.as_json() for reason in self.reasons],
        }


def explain(party: Party, name: Name) -> Explanation:
    rows = list(_rows(name))
    row = _counting(party, rows)
    if row is None:
        return _absent(party, name)
    if name.address.children and store.part_of(name.model, row.document, name.address.children) is None:
        return _no_such_part(party, name, row)
    return _Case(party, name, row, rows).explanation()


def _rows(name: Name) -> Any:
    model, address = name.model, name.address
    found = model.objects.filter(owner_key=address.owner.key, key=address.object_id.upper())
    if model.variant_field:
        found = found.filter(**{model.variant_field: address.variant})
    return found.order_by("-changed_at", "-id")


def _counting(party: Party, rows: list[OwnedObject]) -> OwnedObject | None:
    """Of several copies the newest that is for this party, else the newest of all."""
    for_it = [row for row in rows if row.audience in ("", party.key)]
    return next(iter(for_it or rows), None)


def _absent(party: Party, name: Name) -> Explanation:
    return Explanation(
        party=party,
        name=name,
        headline=f"The hub has no {name.whole}, so nobody got it from here.",
        may_see=False,
        listed=False,
        has=Has.NOTHING,
        at=None,
        reasons=list(absence.reasons(name.whole)),
    )


def _no_such_part(party: Party, name: Name, row: OwnedObject) -> Explanation:
    owner = str(name.address.owner)
    reason = Reason(
        "object",
        "no such part",
        f"{name.whole} is here, as {owner} sent it at {minute(row.changed_at)}, and has no such part",
        owner,
        f"push {name}, or the whole object with it",
        row,
    )
    headline = f"The hub has no {name}, so nobody got it from here."
    return Explanation(party, name, headline, False, False, Has.NOTHING, None, [reason], row)


class _Case:
    """One party and one object that is here."""

    def __init__(self, party: Party, name: Name, row: OwnedObject, rows: list[OwnedObject]) -> None:
        self.party, self.name, self.row, self.rows = party, name, row, rows
        self.platform = party.platform
        self.part = name.address.key if name.address.children else ""
        ((_, self.facts),) = whynot.known(row, Platform.objects.filter(pk=self.platform.pk), self.part)
        self.answer: Answer = whynot.decide(self.facts)

    def explanation(self) -> Explanation:
        rights = [*obstacles.rights(self.party, self.row, {row.audience for row in self.rows})]
        has, at = self.possession()
        reasons = [
            *rights,
            *obstacles.at_platform(self.party, self.row, self.facts),
            *self.about_delivery(has),
            *self.about_object(),
        ]
        may_see = not rights
        return Explanation(
            party=self.party,
            name=self.name,
            headline=self.headline(may_see, has, at, reasons),
            may_see=may_see and self.row.deleted_at is None,
            listed=self.listed(),
            has=has,
            at=at,
            reasons=reasons,
            row=self.row,
        )

    # ----------------------------------------------------------------------------------- the two answers
    def possession(self) -> tuple[Has, datetime | None]:
        facts: Facts = self.facts
        if facts.owns or facts.brought:
            return Has.NEWEST, self.row.changed_at
        if self.answer.current_since:
            return Has.NEWEST, self.answer.current_since
        if before := self.delivered_before():
            return Has.OLDER, before
        nothing_under_way = not facts.delivery or facts.delivery.state == State.ABSORBED
        if nothing_under_way and self.answer.word != "waiting" and self.listed():
            return Has.UNKNOWN, None
        return Has.NOTHING, None

    def delivered_before(self) -> datetime | None:
        """When the platform got a state of it last."""
        found = Delivery.objects.filter(
            message__parent_key=self.row.own_address.key,
            module=self.row.module,
            row_id=self.row.pk,
            platform=self.platform,
            state=State.DELIVERED,
        )
        return found.order_by("-finished_at").values_list("finished_at", flat=True).first()

    def listed(self) -> bool:
        """Whether a GET of the hub's list, from this party, shows it now."""
        if not self.platform.registered or self.platform.status == Status.SUSPENDED:
            return False
        seen = self.row._meta.model._default_manager.visible_to(self.platform, self.party.key)
        return bool(seen.settled().filter(pk=self.row.pk).exists())

    def headline(self, may_see: bool, has: Has, at: datetime | None, reasons: list[Reason]) -> str:
        who, what = self.party.key, self.name
        why = next((reason.why for reason in reasons if reason.why), "nothing is on record")
        if self.row.owner_key == who:
            return f"{what} is {who}'s own."
        if self.row.deleted_at:
            told = f"was told, at {minute(at)}" if has is Has.NEWEST else f"was not told: {why}"
            return f"{self.row.owner_key} deleted {what}, and {who} {told}."
        if has is Has.NEWEST and not may_see:
            return f"The platform of {who} has {what} as it is now, and {who} may not see it: {why}."
        if has is Has.NEWEST:
            return f"{who} has {what} as it is now, since {minute(at)}."
        if has is Has.OLDER:
            changed = minute(self.facts.changed_at)
            return f"{who} has {what} as of {minute(at)}, and not its last change of {changed}: {why}."
        if has is Has.UNKNOWN:
            return f"{who} can fetch {what} from its list, and the hub cannot tell whether it did: {why}."
        return f"{who} has not got {what}: {why}."

    # ------------------------------------------------------------------------------------ what to know of it
    def about_delivery(self, has: Has) -> Iterator[Reason]:
        facts, answer = self.facts, self.answer
        if facts.owns:
            if self.row.owner_key != self.party.key:
                yield Reason("owner", "", f"{self.row.owner_key}, its owner, is on the same platform")
            return
        if facts.brought:
            yield Reason("owner", "", f"{self.platform} brought it to the hub itself")
            return
        row = answer.delivery
        if row is not None:
            yield from self.about_row(row, answer, has)
        elif facts.direct:
            yield Reason("delivery", "", f"delivered {answer.text}")
        elif not (whynot.hindrance_of(facts) or self.away):
            late = "" if answer.word == "waiting" else "GET the list to be sure"
            yield Reason("delivery", answer.text, answer.text, self.party.key if late else "", late)

    @property
    def away(self) -> bool:
        """Whether nothing at all goes to the platform."""
        return not self.facts.registered or self.facts.status == Status.SUSPENDED

    def about_row(self, row: Delivery, answer: Answer, has: Has) -> Iterator[Reason]:
        to = f" to {row.to_party}" if row.to_party != self.party.key else ""
        text = f"{answer.word}{to}, {answer.text}"
        key = self.party.key
        if row.state == State.FAILED:
            last = f"; last try {_last_attempt(row)}" if row.tries else ""
            do = f"let {key} mend what it answered, then Retry in Dead letters"
            yield Reason("delivery", "it was given up", f"{text}{last}", "you", do, row)
        elif row.state == State.DISCARDED:
            yield discarded(row, self.row.owner_key)
        elif answer.word == "held":
            yield Reason("delivery", "its lane is held", text, key, "answer what is pushed to it", row)
        elif row.state in whynot.OPEN and not self.away:
            yield Reason("delivery", "it is on its way", text, "", "", row)
        elif has is Has.NEWEST:
            yield Reason("delivery", "", text, row=row)
        else:
            yield self.not_brought_up_to_date(text, row)

    def not_brought_up_to_date(self, text: str, row: Delivery) -> Reason:
        """The last delivery is done, or was taken back, and nothing newer is under way that counts."""
        if row.state == State.ABSORBED:
            text = f"not sent: {row.reason}"
        if hindrance := whynot.hindrance_of(self.facts):
            return Reason("delivery", hindrance, text, row=row)
        if self.facts.expanding:
            return Reason("delivery", "its last change is on its way", text, row=row)
        return Reason("delivery", "nothing newer is under way", text, self.party.key, "GET the list", row)

    def about_object(self) -> Iterator[Reason]:
        """What to know of the object itself."""
        row, owner = self.row, self.row.owner_key
        if row.deleted_at:
            yield Reason("object", "", f"{owner} deleted it at {minute(row.deleted_at)}", row=row)
        if row.missing_since:
            text = f"{owner} no longer lists it, since the full pull of {minute(row.missing_since)}"
            if row.owners_document is not None:
                text += f"; until it is back the hub says {row.vanished} of it"
            yield Reason("object", "", text, owner, "list it again, or push it as no longer there", row)
        if len(self.rows) > 1:
            yield Reason("object", "", self.copies(), row=row)
        yield from absence.refused(self.name.whole, since=row.changed_at)

    def copies(self) -> str:
        told = (
            f"{'for everybody' if not row.audience else f'for {row.audience} alone'} of {minute(row.changed_at)}"
            for row in self.rows
        )
        counts = "for everybody" if not self.row.audience else f"for {self.row.audience} alone"
        return f"there are {len(self.rows)} copies, {', '.join(told)}; the one {counts} counts here"


def discarded(row: Delivery, owner: str) -> Reason:
    """By whom, when, why, and how it is sent after all."""
    letter = DeadLetter.objects.filter(delivery=row).order_by("-id").first()
    entries = DeadLetterEntry.objects.filter(delivery_id=row.pk, became=DeadLetterEntry.Became.DISCARDED)
    entry = entries.select_related("action").order_by("-id").first()
    text = f"{row.reason}, at {minute(row.finished_at)}"
    if entry:
        text = f"discarded by {entry.action.by} at {minute(entry.action.at)}, noting: {entry.action.note}"
    if letter is None:
        return Reason("delivery", "it was discarded", text, owner, "push it again, if it is to be sent", row)
    text += f"; it had been given up at {minute(letter.given_up_at)}: {letter.reason}"
    one = f"--letter {letter.pk}"
    do = f"if it is to be sent after all, reopen and retry it: manage.py deadletters reopen {one}, then retry {one}"
    return Reason("delivery", "it was discarded", text, "you", do, letter)


def _last_attempt(row: Delivery) -> str:
    attempt = Attempt.objects.filter(delivery_id=row.pk).order_by("-at").first()
    if attempt is None:
        return "is no longer on record"
    return f"{attempt.method} at {minute(attempt.at)}: {attempt.outcome}"
