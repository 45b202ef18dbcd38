"""Charging periods as PATCH appends them (mod_sessions.asciidoc, Receiver PATCH; interpretations, P86)."""

from typing import Any

from ocpi_hub.exchange.objects.digests import digest_of
from ocpi_hub.protocol.envelope import format_time, parse_time


def mark_of(period: Any) -> str:
    """Equal for two periods of parsed JSON that begin at one moment and measured the same.

    Many operators send the whole list with every PATCH, with times and numbers spelt in another way.
    """
    if not isinstance(period, dict):
        return digest_of(period)
    dimensions = period.get("dimensions")
    if isinstance(dimensions, list):
        dimensions = sorted(map(digest_of, dimensions))
    return digest_of({"start": _moment(period.get("start_date_time")), "dimensions": dimensions})


def _moment(text: Any) -> Any:
    try:
        return format_time(parse_time(text)) if isinstance(text, str) else text
    except ValueError:
        return text
