"""Pages of a Sender list (transport_and_format.asciidoc, Pagination).

Objects come in the order in which the hub got them. Every Link carries a cursor besides the offset, so that
page 10,000 costs what the first one does; a caller that only counts offsets is served as well.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple
from urllib.parse import urlencode

from django.conf import settings
from django.db import connection

from ocpi_hub.exchange.exceptions import InvalidParameters
from ocpi_hub.exchange.interfaces.renderers import Documents
from ocpi_hub.exchange.objects import tally
from ocpi_hub.exchange.objects.ownedobject import OwnedObject
from ocpi_hub.exchange.objects.visibility import SETTLED, Condition, Visible
from ocpi_hub.protocol.envelope import parse_time

MOST_BYTES = 8_000_000  # of the documents in a page; a list of large objects has shorter pages
MOST_DIGITS = 18  # of an offset or a limit: what fits into PostgreSQL's bigint


class Query(NamedTuple):
    """The parameters of a list request, checked."""

    date_from: str | None
    date_to: str | None
    offset: int
    limit: int  # what the caller asked for and the hub allows: the size of a page
    cursor: tuple[int, int] | None

    @property
    def is_filtered(self) -> bool:
        return bool(self.date_from or self.date_to)

    @classmethod
    def parse(cls, parameters: Mapping[str, str]) -> "Query":
        for name in ("date_from", "date_to"):
            _moment(name, parameters.get(name))
        cap = settings.HUB_PAGE_LIMIT
        return cls(
            date_from=parameters.get("date_from") or None,
            date_to=parameters.get("date_to") or None,
            offset=_whole(parameters, "offset", 0, least=0),
            limit=min(cap, _whole(parameters, "limit", cap, least=1)),
            cursor=_cursor(parameters.get("cursor")),
        )

    def link(self, url: str, shown: int, cursor: tuple[int, int]) -> str:
        """The URL of the next page: every filter again, further by what was shown."""
        parameters = {
            "date_from": self.date_from,
            "date_to": self.date_to,
            "offset": self.offset + shown,
            "limit": self.limit,
            "cursor": f"{cursor[0]}-{cursor[1]}",
        }
        return f"{url}?{urlencode({name: value for name, value in parameters.items() if value is not None})}"


class Page(NamedTuple):
    documents: Documents
    headers: dict[str, str]


def page(model: type[OwnedObject], visible: Visible, query: Query, url: str) -> Page:
    """One page of what the caller may see; `url` is the list's own address, for the Link."""
    listed = Condition("deleted_at IS NULL", []) & visible.condition(model.variant_field) & SETTLED
    if moment := _moment("date_from", query.date_from):
        listed = listed & Condition("last_updated >= %s", [moment])
    if moment := _moment("date_to", query.date_to):
        listed = listed & Condition("last_updated < %s", [moment])
    total = _count(model, listed) if query.is_filtered else tally.total(model, visible)
    rows = _read(model, listed, query)
    shown = [(born, row_id, document) for born, row_id, document in rows if document is not None]
    headers = {"X-Total-Count": str(total), "X-Limit": str(query.limit)}
    if len(rows) > len(shown):
        born, row_id, _ = shown[-1]
        headers["Link"] = f'<{query.link(url, len(shown), (born, row_id))}>; rel="next"'
    return Page(Documents(document for _, _, document in shown), headers)


def _count(model: type[OwnedObject], listed: Condition) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {_table(model)} WHERE {listed.sql}", listed.parameters)  # noqa: S608
        return int(cursor.fetchone()[0])


def _read(model: type[OwnedObject], listed: Condition, query: Query) -> list[tuple[int, int, str | None]]:
    """(transaction, row, document) of a page and of one row more, which tells whether there is a next one.

    Documents that the page has no room for are None, and not read. Written out: a list is asked for all the time.
    """
    start = query.offset
    if query.cursor:
        born, row_id = query.cursor
        listed, start = listed & Condition("(inserted_in, id) > (%s::text::xid8, %s)", [str(born), row_id]), 0
    statement = _PAGE.format(table=_table(model), listed=listed.sql)
    with connection.cursor() as cursor:
        cursor.execute(statement, [query.limit, MOST_BYTES, *listed.parameters, query.limit + 1, start])
        return cursor.fetchall()


def _table(model: type[OwnedObject]) -> str:
    return connection.ops.quote_name(model._meta.db_table)


# A page has one document at least, however large.
_PAGE = """
SELECT born, id, CASE WHEN number <= %s AND (bytes <= %s OR number = 1) THEN document END
FROM (
    SELECT born, id, document, row_number() OVER so_far AS number, sum(size) OVER so_far AS bytes
    FROM (
        SELECT inserted_in::text::bigint AS born, id, octet_length(document) AS size, document
        FROM {table} WHERE {listed} ORDER BY inserted_in, id LIMIT %s OFFSET %s
    ) listed WINDOW so_far AS (ORDER BY born, id)
) page
ORDER BY born, id
"""


def _moment(name: str, text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        # A plus sign that was not encoded arrives as a blank.
        return parse_time(text.replace(" ", "+"))
    except ValueError as error:
        raise InvalidParameters(
            f"{name}: {text[:40]!r} is not a time such as 2026-01-31T12:00:00Z"
        ) from error


def _whole(parameters: Mapping[str, str], name: str, default: int, *, least: int) -> int:
    text = parameters.get(name)
    if text is None or text == "":
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS) or int(text) < least:
        raise InvalidParameters(f"{name}: {text[:40]!r} is not a whole number of at least {least}")
    return int(text)


def _cursor(text: str | None) -> tuple[int, int] | None:
    if not text:
        return None
    parts = text.split("-")
    if len(parts) != 2 or not all(p.isascii() and p.isdigit() and len(p) <= MOST_DIGITS for p in parts):
        raise InvalidParameters("cursor: follow the Link of the page before as it is")
    return int(parts[0]), int(parts[1])
