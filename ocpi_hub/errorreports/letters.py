"""What a digest says: to the operators all of it, to a partner what its side must mend, and nothing of others."""

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from django.conf import settings
from django.urls import reverse

from ocpi_hub.errorreports.models import Digest, ErrorReport, Occurrence
from ocpi_hub.errorreports.words import about, address, answer, moment, times
from ocpi_hub.partners.models import Party, Platform

State = ErrorReport.State

MOST_REPORTS = 50  # under one heading
MOST_EXAMPLES = 5  # of one report to a partner
LONGEST_LINE = 300  # characters of what was noted


class Letter(NamedTuple):
    subject: str
    text: str


class News(NamedTuple):
    """What changed in the reports since the last digest."""

    new: list[ErrorReport]
    back: list[ErrorReport]
    going_on: list[ErrorReport]
    resolved: list[ErrorReport]
    quiet: int  # others that are not resolved
    before: dict[str, Any]  # how the reports stood in the last digest

    @property
    def sections(self) -> list[tuple[str, list[ErrorReport]]]:
        """With their headings, as far as there is something in them."""
        goes_on = "goes on" if len(self.going_on) == 1 else "go on"
        named = (
            ("new", self.new),
            ("came back", self.back),
            (goes_on, self.going_on),
            ("resolved", self.resolved),
        )
        return [(f"{len(rows)} {name}", rows) for name, rows in named if rows]

    @property
    def headline(self) -> str:
        return ", ".join(heading for heading, _ in self.sections)

    def more(self, report: ErrorReport) -> int:
        """How often it happened since the last digest."""
        told: int = self.before.get(str(report.pk), [0])[0]
        return report.count - told


def standing(reports: Iterable[ErrorReport]) -> dict[str, Any]:
    """How the reports stand, for the next digest to tell what changed."""
    return {str(row.pk): [row.count, row.reopened, row.state] for row in reports}


def news(reports: Iterable[ErrorReport], before: dict[str, Any]) -> News:
    """By what stood in the last digest and not by times: what was written late is not missed."""
    found = News([], [], [], [], 0, before)
    quiet = 0
    for row in reports:
        count, reopened, state = before.get(str(row.pk), [0, 0, State.OPEN])
        if row.state == State.RESOLVED:
            if state != State.RESOLVED or row.reopened > reopened:
                found.resolved.append(row)
        elif not count:
            found.new.append(row)
        elif row.reopened > reopened:
            found.back.append(row)
        elif row.count > count:
            found.going_on.append(row)
        else:
            quiet += 1
    return found._replace(quiet=quiet)


# --- To the operators ---


def to_operators(found: News, last: Digest | None) -> Letter | None:
    """None when there is nothing to tell."""
    if not found.sections:
        return None
    lines = [f"{settings.HUB_NAME}: error reports{_since(last)}"]
    for heading, rows in found.sections:
        lines += ["", heading.upper()]
        for row in rows[:MOST_REPORTS]:
            lines += ["", *_of_operators(row, found)]
        lines += _left_out(rows)
    if found.quiet:
        are = "more is not resolved, and has" if found.quiet == 1 else "more are not resolved, and have"
        lines += ["", f"{found.quiet} {are} not happened again."]
    everything = settings.HUB_BASE_URL + reverse("admin:errorreports_errorreport_changelist")
    lines += ["", f"All error reports: {everything}"]
    return Letter(f"{settings.HUB_NAME}: {found.headline}", "\n".join(lines) + "\n")


def _of_operators(row: ErrorReport, found: News) -> list[str]:
    if row.state == State.RESOLVED:
        return [f"* {row}", f"  {about(row)}: {_last_change(row) or 'resolved'}"]
    lines = [f"* {row}", f"  {about(row)}: {_times(row, found)}", f"  Newest: {_line(row.text)}"]
    if row.state == State.ACKNOWLEDGED:
        lines.append(f"  {_last_change(row) or 'acknowledged'}")
    else:
        lines.append(f"  To act: {row.what.who}. {row.what.action}")
    return [*lines, f"  {address(row)}"]


def _last_change(row: ErrorReport) -> str:
    change = row.state_changes.filter(state=row.state).last()
    if change is None:
        return ""
    note = f": {_line(change.note)}" if change.note else ""
    return f"{row.state.lower()} by {change.by or 'the hub'} at {moment(change.at)} UTC{note}"


# --- To a partner ---


def to_partner(platform: Platform, found: News, last: Digest | None) -> Letter | None:
    """Nothing of another party is in it: words of the hub, numbers, and what is the partner's own."""
    if not found.sections:
        return None
    lines = [
        f"To the operators of {platform.name}",
        "",
        f"This is what went wrong between your system and {settings.HUB_NAME}{_since(last)}, as far as something has to"
        " be done on your side. The ids are those of the headers X-Correlation-ID and X-Request-ID, so that you find"
        " the requests in your log.",
    ]
    own = OfOne(platform)
    for heading, rows in found.sections:
        lines += ["", heading.upper()]
        for row in rows[:MOST_REPORTS]:
            lines += ["", *_of_partner(own, row, found)]
        lines += _left_out(rows)
    return Letter(
        f"{settings.HUB_NAME}, report for {platform.name}: {found.headline}", "\n".join(lines) + "\n"
    )


def _of_partner(own: "OfOne", row: ErrorReport, found: News) -> list[str]:
    module = row.module or "in general"
    if row.state == State.RESOLVED:
        return [f"* {module}: {row.what.to_partner.partition('. ')[0].rstrip('.')}."]
    lines = [f"* {module}: {_times(row, found)}", f"  {row.what.to_partner}"]
    for item in row.occurrences.all()[:MOST_EXAMPLES]:
        lines.append(f"  - {own.example(item, with_text=row.what.text_is_theirs)}")
    return lines


class OfOne:
    """What may be shown to one partner."""

    def __init__(self, platform: Platform) -> None:
        keys = Party.objects.values_list("key", "platform_id")
        self.own = {key for key, platform_id in keys if platform_id == platform.pk}
        others = {key for key, platform_id in keys if platform_id != platform.pk}
        forms = "|".join(sorted(re.escape(key).replace(r"\*", "[*/-]") for key in others))
        self._others = re.compile(rf"\b(?:{forms})\b", re.IGNORECASE) if others else None

    def example(self, item: Occurrence, *, with_text: bool) -> str:
        """One failure: when, with what answer, about which object of its own, under which ids."""
        parts = [f"{moment(item.at)} UTC", answer(item)]
        if self._is_own(item.subject):
            parts.append(_line(item.subject))
        if item.url and item.correlation_id:  # there was a request; the ids were in it
            parts.append(f"ids {item.correlation_id} {item.request_id}".rstrip())
        if with_text:
            parts.append(_line(self._without_others(item.text)))
        return ", ".join(part for part in parts if part)

    def _is_own(self, subject: str) -> bool:
        """By its address, NL/ABC/LOC1, or as a pull names what it could not take: NL*ABC/LOC1."""
        owner, *rest = subject.upper().split("/")
        return (owner if "*" in owner else "*".join([owner, *rest[:1]])) in self.own

    def _without_others(self, text: str) -> str:
        return self._others.sub("another party", text) if self._others else text


# --- Of both ---


def _since(last: Digest | None) -> str:
    return f" since {last.settled_at:%Y-%m-%d %H:%M} UTC" if last and last.settled_at else ""


def _times(row: ErrorReport, found: News) -> str:
    more = found.more(row)
    if more in (0, row.count):
        return times(row)
    often = "once" if more == 1 else f"{more} times"
    return f"{often} more, {row.count} in all, last at {moment(row.last_seen_at)} UTC"


def _line(text: str) -> str:
    """On one line, and no longer than one reads."""
    text = " ".join(text.split())
    return text if len(text) <= LONGEST_LINE else text[: LONGEST_LINE - 1] + "…"


def _left_out(rows: list[ErrorReport]) -> list[str]:
    return ["", f"and {len(rows) - MOST_REPORTS} more"] if len(rows) > MOST_REPORTS else []
