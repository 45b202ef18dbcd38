"""Finding journeys: what was typed is understood first, then looked for in every form that it may have."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import Count, F, Func, Q, QuerySet, TextField, Value, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from ocpi_hub.journal.kinds import EVSE, RESULT, THINGS, WORDS, Thing
from ocpi_hub.journal.models import Hop
from ocpi_hub.journal.names import end_of, full_name, result_name, segments_of
from ocpi_hub.partners import naming
from ocpi_hub.partners.models import Party

MOST_JOURNEYS = 50
MOST_HOPS = 500  # of one journey that are shown
MOST_LINKED = 20  # hops of a request and its results, over all correlation ids
MOST_LOOKED_AT = 20_000  # hops of one search
# What is asked for most is of today; a busy Location has too many hops to look at all of them.
REACHES = (timedelta(days=1), timedelta(days=7))

_PARTY = re.compile(r"[A-Za-z]{2}[*-][A-Za-z0-9]{3}(?:[*-][A-Za-z]{3,5})?")
_EVSE_ID = re.compile(r"[A-Za-z]{2}\*[A-Za-z0-9]{3}\*E[A-Za-z0-9*]+")
_UP_TO_MODULE = re.compile(r"\A(?:.*/)?(?:sender|receiver)/")


class Understood(NamedTuple):
    """What a text was taken for."""

    said: str
    where: Q = Q()
    pattern: str = ""  # that one of the names has to match besides
    party: Party | None = None  # alone: all that it took part in


class Span(NamedTuple):
    """From when until when; either end may be open."""

    since: datetime | None = None
    until: datetime | None = None


EVER = Span()


# -------------------------------------------------------------------------------------------- understanding
def understood(text: str) -> Understood:
    """Ids of all sorts, URLs and parties; whatever is none of them may still be an id. Raises UnknownParty."""
    text = text.strip()
    if not text:
        return Understood("everything")
    word, _, value = text.partition(":")
    if value and (named := _by_word(word.strip().lower(), value.strip())):
        return named
    if "/" in text and (named := _by_address(text)):
        return named
    if _EVSE_ID.fullmatch(text):
        return _named(EVSE, "", text)
    if _PARTY.fullmatch(text):
        return _party(text)
    return _any_id(text)


def _by_word(word: str, value: str) -> Understood | None:
    """Such as session:S1, session:NL/ABC/S1 or party:NL*ABC."""
    if word in ("correlation", "x-correlation-id"):
        return Understood(f"the X-Correlation-ID {value}", Q(correlation_id=value))
    if word in ("request", "x-request-id"):
        return Understood(f"the X-Request-ID {value}", Q(request_id=value))
    if word in ("party", "partner"):
        return _party(value)
    thing = WORDS.get(word.removesuffix("s"))
    if thing is None:
        return None
    owner, object_id = _owner_and_id(value)
    return _named(thing, owner, object_id)


def _owner_and_id(value: str) -> tuple[str, str]:
    country_code, _, rest = value.partition("/")
    party_id, slash, object_id = rest.partition("/")
    return (f"{country_code}/{party_id}".upper(), object_id) if slash and object_id else ("", value)


def _by_address(text: str) -> Understood | None:
    """A URL or the end of one, such as sessions/NL/ABC/S1."""
    path = _UP_TO_MODULE.sub("", text).partition("?")[0]
    segments = segments_of(path)
    module, rest = (segments[0].lower(), segments[1:]) if segments else ("", ())
    if module in ("commands", "chargingprofiles") and len(rest) == 2:
        return Understood(
            "the response_url of a request, and its results", Q(refs__contains=[result_name(end_of(path))])
        )
    if module == "chargingprofiles" and len(rest) == 1:
        return _named(THINGS["sessions"], "", rest[0])
    if module in THINGS and rest:
        return _object(module, rest)
    owner, object_id = _owner_and_id(text.strip("/"))
    if owner and "/" not in object_id and len(owner) <= 6:
        names = [full_name(thing, owner, object_id.upper()) for thing in (*THINGS.values(), EVSE)]
        return Understood(f"anything of {_star(owner)} with the id {object_id}", Q(refs__overlap=names))
    if "://" in text:
        return Understood("a response_url, and its results", Q(refs__contains=[result_name(end_of(text))]))
    return None


def _object(module: str, rest: tuple[str, ...]) -> Understood:
    if len(rest) < 3:
        return _named(THINGS[module], "", rest[0])
    owner = f"{rest[0]}/{rest[1]}".upper()
    if module == "locations" and len(rest) > 3:
        return _named(EVSE, owner, rest[3])
    return _named(THINGS[module], owner, rest[2])


def _named(thing: Thing, owner: str, object_id: str) -> Understood:
    wanted = object_id.strip().upper()
    if owner:
        whole = full_name(thing, owner, wanted)
        return Understood(f"the {thing.said} {object_id} of {_star(owner)}", Q(refs__contains=[whole]))
    # The bare id is what the index has; whatever else has the same id is left out by the pattern.
    pattern = rf"(^|\n){thing.word}:([^/\n]+/[^/\n]+/)?{re.escape(wanted)}(\n|$)"
    return Understood(f"the {thing.said} {object_id}", Q(refs__contains=[wanted]), pattern)


def _party(text: str) -> Understood:
    party = naming.party_named(text)
    return Understood(f"the party {party.key}: what it sent, and what was sent to it", party=party)


def _any_id(text: str) -> Understood:
    said = (
        f"an id: looked for as X-Correlation-ID, X-Request-ID, {', '.join(thing.said for thing in THINGS.values())},"
        " EVSE, contract and authorization reference"
    )
    return Understood(said, Q(correlation_id=text) | Q(request_id=text) | Q(refs__contains=[text.upper()]))


def _star(owner: str) -> str:
    return owner.replace("/", "*")


# -------------------------------------------------------------------------------------------------- finding
def found(
    wanted: Understood,
    partner: Party | None = None,
    span: Span = EVER,
    *,
    checks: bool = False,
    most: int = MOST_JOURNEYS,
) -> list[str]:
    """The correlation ids of journeys, the latest first.

    The hub's own checks come every night and for every object, so they are left out, unless there is nothing else.
    """
    hops = matching(wanted, partner)
    if checks:
        return _latest(hops, span, most)
    return _latest(hops.filter(is_check=False), span, most) or _latest(hops, span, most)


def _latest(found: QuerySet[Hop], span: Span, most: int) -> list[str]:
    ids: dict[str, None] = {}
    for hops in _slices(found, span):
        for correlation_id in hops.order_by("-at").values_list("correlation_id", flat=True)[:MOST_LOOKED_AT]:
            ids[correlation_id] = None
            if len(ids) == most:
                return list(ids)
    return list(ids)


def matching(wanted: Understood, partner: Party | None = None) -> QuerySet[Hop]:
    hops = Hop.objects.filter(wanted.where)
    if wanted.pattern:
        names = Func(F("refs"), Value("\n"), function="array_to_string", output_field=TextField())
        hops = hops.alias(names=names).filter(names__regex=wanted.pattern)
    for party in filter(None, (partner, wanted.party)):
        # Configuration modules name no party.
        mine = Q(from_party=party.key) | Q(to_party=party.key) | Q(from_party="", to_party="")
        hops = hops.filter(mine, platform_id=party.platform_id)
    return hops


def _slices(hops: QuerySet[Hop], span: Span) -> Iterator[QuerySet[Hop]]:
    """The latest first, each reaching further back than the one before."""
    end = upper = span.until or timezone.now() + timedelta(minutes=5)
    for reach in (*REACHES, kept()):
        lower = max(end - reach, span.since) if span.since else end - reach
        yield hops.filter(at__gte=lower, at__lt=upper)
        upper = lower
        if span.since and lower <= span.since:
            return


def kept() -> timedelta:
    """How long hops are there to be found: their days are dropped whole."""
    return timedelta(days=max(settings.HUB_JOURNAL_DAYS.values()) + 2)


def hops_of(correlation_id: str, most: int = MOST_HOPS) -> list[Hop]:
    """All hops of a journey in their order.

    Requests and their results belong together by the response_url, whatever correlation id a partner gives a result.
    """
    hops = Hop.objects.filter(correlation_id=correlation_id).order_by("at", "id")[:most]
    results = {name for hop in hops for name in hop.refs if name.startswith(f"{RESULT.word}:")}
    if not results:
        return list(hops)
    linked = Hop.objects.filter(refs__overlap=sorted(results)).values_list("correlation_id", flat=True)
    ids = {correlation_id, *linked[:MOST_LINKED]}
    return list(Hop.objects.filter(correlation_id__in=sorted(ids)).order_by("at", "id")[:most])


def heads(correlation_ids: list[str]) -> dict[str, list[Any]]:
    """The first hops of each journey in their order, without what is long; each says of how many it is one."""
    rows = (
        Hop.objects.filter(correlation_id__in=correlation_ids)
        .defer("request_headers", "request_body", "answer_headers", "answer_body")
        .annotate(
            place=Window(RowNumber(), partition_by="correlation_id", order_by=["at", "id"]),
            of=Window(Count("*"), partition_by="correlation_id"),
        )
    )
    found: dict[str, list[Any]] = {correlation_id: [] for correlation_id in correlation_ids}
    for hop in rows.filter(place__lte=MOST_HOPS).order_by("at", "id"):
        found[hop.correlation_id].append(hop)
    return found
