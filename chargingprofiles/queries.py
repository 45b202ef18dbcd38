"""The query of GET and DELETE, which holds a URL of its own (mod_charging_profiles; interpretations, P130). Pure."""

from urllib.parse import parse_qs, quote, unquote

from ocpi_hub.exchange.exceptions import InvalidParameters
from ocpi_hub.protocol.codec import InvalidObject, check
from ocpi_hub.protocol.types import URL, Wire

RESPONSE_URL = "response_url"
LONGEST_DURATION = 2**31 - 1  # seconds


class _Callback(Wire, kw_only=True):
    response_url: URL


def take_response_url(query: str) -> tuple[str, str]:
    """The response_url, decoded once, and the rest of the query as it stands. Raises InvalidParameters.

    Many write it without encoding. With a question mark it then takes all that follows, which is its own query,
    and stays as it is; without one it ends where the next parameter begins.
    """
    url, kept = "", []
    while query:
        parameter, _, query = query.partition("&")
        name, _, value = parameter.partition("=")
        if unquote(name) != RESPONSE_URL:
            kept.append(parameter)
        elif _is_unencoded(value):
            url, query = url or "&".join(filter(None, [value, query])), ""
        else:
            url = url or unquote(value)
    return _checked(url), "&".join(kept)


def _is_unencoded(value: str) -> bool:
    return value.lower().startswith(("http://", "https://")) and "?" in value


def _checked(url: str) -> str:
    if not url:
        raise InvalidParameters(f"{RESPONSE_URL}: required in the query")
    try:
        return check({RESPONSE_URL: url}, _Callback).response_url
    except InvalidObject as fault:
        raise InvalidParameters(
            f"{RESPONSE_URL}: {fault.problem}; in a query it is percent-encoded"
        ) from fault


def with_response_url(rest: str, url: str) -> str:
    """The query with another response_url, encoded."""
    return "&".join(filter(None, [rest, f"{RESPONSE_URL}={quote(url, safe='')}"]))


def must_have_duration(rest: str) -> None:
    """GET says for how many seconds it wants to know the profile. Raises InvalidParameters."""
    duration = parse_qs(rest).get("duration", [""])[0]
    if not duration:
        raise InvalidParameters(
            f"duration: required in the query, before a {RESPONSE_URL} that is not encoded"
        )
    if not duration.isascii() or not duration.isdecimal() or int(duration[:11]) > LONGEST_DURATION:
        raise InvalidParameters(f"duration: {duration[:40]!r} is no whole number of seconds")
