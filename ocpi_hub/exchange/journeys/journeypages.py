"""A journey made ready to be read: masked as the reader's rights say, bodies written out, differences marked."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from django.contrib import admin
from django.db.models import Model
from django.urls import NoReverseMatch, reverse

from ocpi_hub.exchange.journeys import comparisons, endings
from ocpi_hub.exchange.journeys import journeywords as words
from ocpi_hub.exchange.journeys.comparisons import Comparison
from ocpi_hub.exchange.journeys.endings import Ending, Journeys
from ocpi_hub.exchange.journeys.journey import Journey, Step, in_names, platforms
from ocpi_hub.exchange.journeys.journeywords import Said, Tone
from ocpi_hub.journal import searching
from ocpi_hub.journal.differences import Difference, Line, lines, parsed
from ocpi_hub.journal.models import Hop
from ocpi_hub.protocol.masking import masker, private_values

Mask = Callable[[str], str]
MOST_DIFFERENCES = 50
ABOVE_BUDGET = ": this partner's bodies were above HUB_JOURNAL_MB in a minute"


class Body(NamedTuple):
    name: str
    lines: list[Line]
    note: str = ""  # that it is cut, or why there is none


class Compared(NamedTuple):
    """What came in against what went out, in words."""

    headline: str
    differences: list[Difference]
    same: bool


class Shown(NamedTuple):
    """One step, ready to be read."""

    at: str
    said: Said
    link: str
    heads: list[tuple[str, str]]
    bodies: list[Body]
    compared: list[Compared]

    @property
    def is_open(self) -> bool:
        """Whether its bodies are to be seen at once: of what failed, or went out otherwise than it came in."""
        return self.said.tone == Tone.BAD or not all(one.same for one in self.compared)


class Panel(NamedTuple):
    """One journey."""

    correlation_id: str
    headline: str
    tone: Tone
    steps: list[Shown]
    is_masked: bool  # whether anything is


class Entry(NamedTuple):
    """A journey in a list of several."""

    correlation_id: str
    at: str
    who: str
    text: str
    outcome: str
    tone: Tone
    hops: int


# -------------------------------------------------------------------------------------------------- a list
def entries(correlation_ids: list[str]) -> list[Entry]:
    """In their order; one line for each."""
    found = searching.heads(correlation_ids)
    names = platforms(hop for hops in found.values() for hop in hops)
    ended = endings.endings(Journeys.of(found, names))
    return [
        _entry(correlation_id, hops, names, ended[correlation_id])
        for correlation_id, hops in found.items()
        if hops
    ]


def _entry(correlation_id: str, hops: list[Any], names: dict[int, str], ending: Ending) -> Entry:
    first = hops[0]
    mask = masker({value for hop in hops for value in (*in_names(hop), *private_values(path=hop.url))})
    who, text = words.who_of(first, names), mask(words.text_of(first))
    return Entry(correlation_id, at_of(first.at), who, text, mask(ending.text), ending.tone, first.of)


# -------------------------------------------------------------------------------------------- one journey
def panel(told: Journey, clear: bool, may_view: Callable[[Model], bool] = lambda row: True) -> Panel:
    mask = str if clear else masker(told.private)
    sent, answered = comparisons.requests(told.hops), comparisons.answers(told.hops)

    def compared_of(hop: Hop) -> list[Compared]:
        pairs = ((sent.get(hop.pk), "sent"), (answered.get(hop.pk), "answered"))
        return [_compared(one, what, mask) for one, what in pairs if one]

    steps = [
        Shown(
            at_of(step.at),
            _masked(step.said, mask),
            _link(step, may_view),
            _heads(step.hop, mask) if step.hop else [],
            _bodies(step.hop, mask, sent.get(step.hop.pk), answered.get(step.hop.pk)) if step.hop else [],
            compared_of(step.hop) if step.hop else [],
        )
        for step in told.steps
    ]
    return Panel(told.correlation_id, _headline(told), told.tone, steps, bool(told.private) and not clear)


def _headline(told: Journey) -> str:
    hops = told.hops
    if not told.steps:
        return "Nothing is known of it."
    came = sum(hop.direction == Hop.Direction.IN for hop in hops)
    text = f"{came} came in, {len(hops) - came} went out"
    if told.is_cut:
        text = f"the first {len(hops):,} of {told.known:,} hops: {text}"
    if not hops:
        text = "the journal has no hops of it: they are past their time, were dropped, or it was switched off"
    waiting = sum(step.said.tone == Tone.WAITING for step in told.steps)
    given_up = sum(step.said.what == "delivery" and step.said.tone == Tone.BAD for step in told.steps)
    text += f", {waiting} still waiting" if waiting else ""
    return text + (f", {given_up} given up" if given_up else "")


def at_of(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S.%f}"[:-3]


def _masked(said: Said, mask: Mask) -> Said:
    return said._replace(text=mask(said.text), outcome=mask(said.outcome))


def _link(step: Step, may_view: Callable[[Model], bool]) -> str:
    if step.row is None or not admin.site.is_registered(type(step.row)) or not may_view(step.row):
        return ""
    opts = step.row._meta
    try:
        return reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[step.row.pk])
    except NoReverseMatch:
        return ""


def _heads(hop: Hop, mask: Mask) -> list[tuple[str, str]]:
    """What is not in the bodies, in two columns."""
    found = [("URL", mask(hop.url)), ("X-Request-ID", hop.request_id)]
    found += [("caller's address", hop.remote)] if hop.remote else []
    found += [(name, mask(str(value))) for name, value in hop.request_headers.items()]
    return found + [(f"answer: {name}", mask(str(value))) for name, value in hop.answer_headers.items()]


def _bodies(hop: Hop, mask: Mask, sent: Comparison | None, answered: Comparison | None) -> list[Body]:
    why = ABOVE_BUDGET if hop.above_budget else ""
    request = _body("request", hop.request_body, hop.request_size, hop.request_is_cut, why, sent, mask)
    answer = _body("answer", hop.answer_body, hop.answer_size, hop.answer_is_cut, why, answered, mask)
    return [body for body in (request, answer) if body]


def _body(
    name: str, text: str, size: int, cut: bool, why: str, compared: Comparison | None, mask: Mask
) -> Body | None:
    """`why` there is none, if there is none."""
    if not size:
        return None
    if not text:
        return Body(name, [], f"{size:,} bytes, not kept{why}")
    note = f"cut: {len(text.encode()):,} of {size:,} bytes are kept" if cut else f"{size:,} bytes"
    document = parsed(text)
    if document is None:
        return Body(name, [Line(mask(text))], note)
    return Body(name, _lines(document, compared.places if compared else set(), mask), note)


def _lines(document: object, places: set[str], mask: Mask) -> list[Line]:
    """Masked as a whole, which takes one look for all lines."""
    written = list(lines(document, places))
    texts = mask("\n".join(line.text for line in written)).split("\n")
    return [Line(text, line.marked) for text, line in zip(texts, written, strict=True)]


def _compared(one: Comparison, what: str, mask: Mask) -> Compared:
    count = len(one.differences)
    against = "what came in" if what == "sent" else "what the partner answered"
    differ = "1 place differs" if count == 1 else f"{count} places differ"
    text = f"{differ} from {against}" if count else f"the same as {against}"
    if one.added:
        text += f"; the whole object went out, with {one.added} more fields than the change that came in"
    shown = [
        Difference(mask(each.place), each.came and mask(each.came), each.went and mask(each.went))
        for each in one.differences[:MOST_DIFFERENCES]
    ]
    return Compared(text, shown, not count)


def line_of(step: Shown) -> str:
    """A step in one line, for the terminal."""
    said = step.said
    took = f", {said.milliseconds} ms" if said.milliseconds is not None else ""
    return f"{step.at}  {said.what:<9} {said.who}: {said.text}: {said.outcome}{took}"
