"""Timestamps of OCPI (types.asciidoc: DateTime): RFC 3339 in UTC, with at most milliseconds."""

import re
from datetime import UTC, datetime, timedelta

_RFC_3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt](?:[01][0-9]|2[0-3]):[0-5][0-9]:(?P<second>[0-5][0-9]|60)"
    r"(?:\.[0-9]{1,30})?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})?"
)
_WIRE_FORM = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,3})?Z?")


def utcnow() -> datetime:
    return datetime.now(UTC)


def format_time(moment: datetime) -> str:
    """As OCPI writes it: `Z`, and milliseconds only when there are any. A naive moment is UTC."""
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    timespec = "milliseconds" if moment.microsecond >= 1000 else "seconds"
    return moment.isoformat(timespec=timespec) + "Z"


def parse_time(text: str) -> datetime:
    """Any RFC 3339 timestamp, as an aware moment in UTC; without designator it is UTC already.

    Digits beyond microseconds are cut. A leap second is the second after it, as most clocks have it.
    """
    form = _RFC_3339.fullmatch(text)
    if form is None:
        raise ValueError("not a timestamp such as 2026-01-01T00:00:00Z")
    leap = form["second"] == "60"
    upper = text.upper()
    try:
        moment = datetime.fromisoformat(upper[:17] + "59" + upper[19:] if leap else upper)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        return moment + timedelta(seconds=1) if leap else moment
    except (ValueError, OverflowError):
        raise ValueError("not a moment that exists") from None


def is_wire_form(text: str) -> bool:
    return _WIRE_FORM.fullmatch(text) is not None
