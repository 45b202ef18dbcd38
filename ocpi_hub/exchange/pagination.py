"""Pages of a Sender list (transport_and_format.asciidoc, Pagination).

Objects come in the order in which the hub got them. Every Link carries a cursor besides the offset, so that
page 10,000 costs what the first one does; a caller that only counts offsets is served as well.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple
from urllib.parse import urlencode

from django.conf import settings
from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import BooleanField, QuerySet
from django.db.models.expressions import RawSQL

from ocpi_hub.exchange import tally
from ocpi_hub.exchange.exceptions import InvalidParameters
from ocpi_hub.exchange.ownedobject import OwnedObject
from ocpi_hub.exchange.renderers import Documents
from ocpi_hub.exchange.visibility import Visible
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
    found = model.objects.seen(visible).settled()
    moment = _moment("date_from", query.date_from)
    found = found.filter(last_updated__gte=moment) if moment else found
    moment = _moment("date_to", query.date_to)
    found = found.filter(last_updated__lt=moment) if moment else found
    total = found.count() if query.is_filtered else tally.total(model, visible)
    ordered = found.order_by("inserted_in", "id")
    if query.cursor:
        ordered = ordered.filter(_after(model, query.cursor))
        start = 0
    else:
        start = query.offset
    rows = _read(ordered, start, query.limit)
    shown = [(born, row_id, document) for born, row_id, document in rows if document is not None]
    headers = {"X-Total-Count": str(total), "X-Limit": str(query.limit)}
    if len(rows) > len(shown):
        born, row_id, _ = shown[-1]
        headers["Link"] = f'<{query.link(url, len(shown), (born, row_id))}>; rel="next"'
    return Page(Documents(document for _, _, document in shown), headers)


def _read(ordered: "QuerySet[OwnedObject]", start: int, limit: int) -> list[tuple[int, int, str | None]]:
    """(transaction, row, document) of a page and of one row more, which tells whether there is a next one.

    Documents that the page has no room for are None, and not read.
    """
    born, size = RawSQL("inserted_in::text::bigint", []), RawSQL("octet_length(document)", [])
    listed = ordered.annotate(born=born, size=size).values("born", "id", "size", "document")
    try:
        statement, parameters = listed[start : start + limit + 1].query.sql_with_params()
    except EmptyResultSet:  # for whoever may see nothing
        return []
    with connection.cursor() as cursor:
        cursor.execute(_PAGE.format(listed=statement), [limit, MOST_BYTES, *parameters])
        return cursor.fetchall()


# A page has one document at least, however large.
_PAGE = """
SELECT born, id, CASE WHEN number <= %s AND (bytes <= %s OR number = 1) THEN document END
FROM (
    SELECT born, id, document, row_number() OVER so_far AS number, sum(size) OVER so_far AS bytes
    FROM ({listed}) listed WINDOW so_far AS (ORDER BY born, id)
) page
ORDER BY born, id
"""


def _after(model: type[OwnedObject], cursor: tuple[int, int]) -> RawSQL:
    table = model._meta.db_table
    return RawSQL(  # noqa: S611  # the table is ours, the rest are parameters
        f'("{table}"."inserted_in", "{table}"."id") > (%s::text::xid8, %s)',
        [str(cursor[0]), cursor[1]],
        output_field=BooleanField(),
    )


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
