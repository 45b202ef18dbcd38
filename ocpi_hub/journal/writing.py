"""Hops become rows here, in the writer's thread: what they are about, what of them is kept, one statement a batch."""

from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec
import psycopg
from django.conf import settings
from django.db import connection

from ocpi_hub.journal import names
from ocpi_hub.journal.addresses import RESULTS, Theirs, place_of_ours
from ocpi_hub.journal.kinds import kind_of
from ocpi_hub.journal.models import LONGEST_HEADER, LONGEST_LIST
from ocpi_hub.journal.names import Place, names_of
from ocpi_hub.journal.seen import Seen
from ocpi_hub.protocol.masking import SHORTEST_END, masked, secret_values

# Of interest to whoever looks for a fault.
ANSWER_HEADERS = frozenset(
    {"content-type", "link", "location", "retry-after", "allow", "x-total-count", "x-limit", "server", "via"}
)


class Row(msgspec.Struct):
    """A row of journal_hop; its fields are the columns."""

    kind: str
    at: datetime
    direction: str
    platform_id: int | None
    from_party: str
    to_party: str
    module: str
    interface: str
    method: str
    url: str
    remote: str
    above_budget: bool
    is_check: bool
    request_headers: dict[str, str]
    request_body: str
    request_size: int
    http_status: int | None
    status_code: int | None
    answer_headers: dict[str, str]
    answer_body: str
    answer_size: int
    failure: str
    milliseconds: int
    request_id: str
    correlation_id: str
    delivery_id: int | None
    refs: list[str]


_COLUMNS = ", ".join(Row.__struct_fields__)
# As one document, because PostgreSQL takes it apart in less of our time than we would need for each value.
_INSERT = f"""
INSERT INTO journal_hop ({_COLUMNS}) SELECT {_COLUMNS} FROM json_populate_recordset(NULL::journal_hop, %s::json)
"""  # noqa: S608  # names of ours


def write(batch: list[Seen]) -> None:
    """All or none of them."""
    theirs = Theirs()
    rows = msgspec.json.encode([row_of(seen, theirs) for seen in batch]).decode()
    connection.ensure_connection()
    # Django's own cursor would write the document into the statement, character by character. Its errors are Django's
    # all the same: by them background.py knows a database that is away from a row that can never be written.
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(_INSERT, [rows])


def row_of(seen: Seen, theirs: Theirs) -> Row:
    place = place_of(seen, theirs)
    secrets = secrets_of(seen, place)
    kept = partial(_without, secrets) if secrets else _text
    request, answer = _bodies(seen, place)
    party = seen.headers.get
    return Row(
        kind=kind_of(place.module).value,
        at=datetime.fromtimestamp(seen.at, UTC),
        direction="IN" if seen.is_in else "OUT",
        platform_id=seen.platform_id,
        from_party=_party(party("OCPI-from-country-code"), party("OCPI-from-party-id")),
        to_party=_party(party("OCPI-to-country-code"), party("OCPI-to-party-id")),
        module=_text(place.module),
        interface=place.interface,
        method=_text(seen.method[:10]),
        url=kept(seen.url),
        remote=_text(seen.remote),
        above_budget=not seen.longest,
        is_check=seen.is_check,
        request_headers={name: kept(value)[:LONGEST_HEADER] for name, value in seen.headers.items()},
        request_body=kept(request),
        request_size=seen.request_size,
        http_status=seen.http_status,
        status_code=_status_code(seen.answer),
        answer_headers={
            name: kept(value)[:LONGEST_HEADER]
            for name, value in seen.answer_headers.items()
            if name.lower() in ANSWER_HEADERS
        },
        answer_body=kept(answer),
        answer_size=seen.answer_size,
        failure=kept(seen.failure),
        milliseconds=round(seen.seconds * 1000),
        request_id=seen.ids.request_id,
        correlation_id=seen.ids.correlation_id,
        delivery_id=seen.delivery_id,
        refs=names_of(place, seen.request, seen.answer),
    )


def _without(secrets: set[str], text: str) -> str:
    return masked(_text(text), secrets) if text else ""


def place_of(seen: Seen, theirs: Theirs) -> Place:
    if seen.is_in:
        return place_of_ours(seen.url)
    if seen.module:
        return Place(seen.module, query=seen.url.partition("?")[2])
    return theirs.place(seen.method, seen.url, seen.platform_id)


def secrets_of(seen: Seen, place: Place) -> set[str]:
    """What must not be stored at all: credentials tokens, and the ends of response_urls."""
    found = secret_values(seen.request, seen.answer)
    places = (seen.request, seen.answer, f"{seen.failure} {seen.url}".encode(errors="replace"))
    found |= {value for value in seen.secrets if any(value.encode() in place for place in places)}
    return found | {end for end in _ends(seen, place) if len(end) >= SHORTEST_END}


def _ends(seen: Seen, place: Place) -> list[str]:
    """Of response_urls in the address: as a parameter, or where a result goes to."""
    if "response_url" in place.query:
        return [names.end_of(url) for url in names.parse_qs(place.query).get("response_url", ())]
    asking = place.module in ("commands", "chargingprofiles") and place.interface == "sender"
    is_result = seen.method == "POST" and (asking or place.module == RESULTS)
    return list(place.segments[-1:]) if is_result else []


def _bodies(seen: Seen, place: Place) -> tuple[str, str]:
    if settings.HUB_JOURNAL != "full":
        return "", ""
    is_list = seen.method == "GET" and not place.segments and bool(place.interface)
    longest = min(seen.longest, LONGEST_LIST) if is_list else seen.longest
    return _cut(seen.request, seen.longest), _cut(seen.answer, longest)


def _cut(body: bytes, longest: int) -> str:
    return body[:longest].decode(errors="replace")


def _text(text: str) -> str:
    """PostgreSQL holds every character but this one."""
    return text.replace("\x00", "\ufffd") if "\x00" in text else text


def _party(country_code: str | None, party_id: str | None) -> str:
    """As it was sent, whether there is such a party or not; the headers are kept whole beside it."""
    named = f"{(country_code or '').strip()}*{(party_id or '').strip()}".upper()
    return named if named != "*" and len(named) <= 6 else ""


class _Frame(msgspec.Struct):
    status_code: Any = None


_FRAME = msgspec.json.Decoder(_Frame)


def _status_code(answer: bytes) -> int | None:
    """Of an envelope; of a body that is cut there is none."""
    try:
        code = _FRAME.decode(answer).status_code
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return code if type(code) is int and 0 <= code <= 9999 else None
