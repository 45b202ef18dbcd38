"""Pages of the hub's own lists."""

from urllib.parse import parse_qsl, urlsplit

import pytest
from django.db import connection

from locations.models import Location
from ocpi_hub.exchange.exceptions import InvalidParameters
from ocpi_hub.exchange.interfaces import pagination
from ocpi_hub.exchange.interfaces.pagination import Query, page
from ocpi_hub.exchange.objects.visibility import EVERYTHING, NOTHING, SETTLED
from tests import examples

URL = "https://hub.example/list"


@pytest.mark.parametrize(
    ("parameters", "offset", "limit", "cursor"),
    [
        ({}, 0, 100, None),
        ({"limit": "10"}, 0, 10, None),
        ({"limit": "100000"}, 0, 100, None),
        ({"offset": "7", "limit": ""}, 7, 100, None),
        ({"offset": "9" * 18}, 10**18 - 1, 100, None),
        ({"cursor": "12-34"}, 0, 100, (12, 34)),
        ({"cursor": ""}, 0, 100, None),
    ],
)
def test_parameters_are_read(parameters, offset, limit, cursor):
    query = Query.parse(parameters)

    assert (query.offset, query.limit, query.cursor) == (offset, limit, cursor)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"limit": "0"}, "limit: '0' is not a whole number of at least 1"),
        ({"limit": "-1"}, "limit: '-1' is not a whole number of at least 1"),
        ({"limit": "1.5"}, "limit: '1.5' is not a whole number of at least 1"),
        ({"limit": "\u0663"}, "limit: '\u0663' is not a whole number of at least 1"),
        ({"offset": "x" * 50}, f"offset: '{'x' * 40}' is not a whole number of at least 0"),
        ({"offset": "9" * 19}, f"offset: '{'9' * 19}' is not a whole number of at least 0"),
        ({"date_from": "yesterday"}, "date_from: 'yesterday' is not a time such as 2026-01-31T12:00:00Z"),
        ({"date_to": "2026-13-01"}, "date_to: '2026-13-01' is not a time such as 2026-01-31T12:00:00Z"),
        ({"cursor": "1"}, "cursor: follow the Link of the page before as it is"),
        ({"cursor": "1-2-3"}, "cursor: follow the Link of the page before as it is"),
        ({"cursor": "1-x"}, "cursor: follow the Link of the page before as it is"),
        ({"cursor": f"1-{'9' * 19}"}, "cursor: follow the Link of the page before as it is"),
    ],
)  # fmt: skip
def test_bad_parameters_are_named(parameters, message):
    with pytest.raises(InvalidParameters) as refused:
        Query.parse(parameters)

    assert str(refused.value) == message


def test_a_link_repeats_every_filter_further_by_what_was_shown():
    query = Query.parse({"date_from": "2026-01-01T00:00:00Z", "offset": "20", "limit": "10", "other": "x"})
    parts = urlsplit(query.link(URL, 7, (5, 6)))

    assert dict(parse_qsl(parts.query)) == {
        "date_from": "2026-01-01T00:00:00Z",
        "offset": "27",
        "limit": "10",
        "cursor": "5-6",
    }


def crawl(parameters):
    pages = []
    while True:
        found = page(Location, EVERYTHING, Query.parse(parameters), URL)
        pages.append((len(found.documents), found.headers["X-Total-Count"], found.headers["X-Limit"]))
        if "Link" not in found.headers:
            return pages
        parameters = dict(parse_qsl(urlsplit(found.headers["Link"].partition(">")[0]).query))


@pytest.mark.parametrize(
    ("count", "limit", "pages"),
    [
        (0, 2, [(0, "0", "2")]),
        (2, 2, [(2, "2", "2")]),
        (3, 2, [(2, "3", "2"), (1, "3", "2")]),
        (5, 2, [(2, "5", "2"), (2, "5", "2"), (1, "5", "2")]),
    ],
)
def test_a_crawl_sees_each_object_once(cpo, count, limit, pages):
    for number in range(count):
        cpo.put(f"receiver/locations/NL/ABC/LOC{number}", examples.location(id=f"LOC{number}"))

    assert crawl({"limit": str(limit)}) == pages


def test_an_offset_works_without_a_cursor(cpo):
    for number in range(3):
        cpo.put(f"receiver/locations/NL/ABC/LOC{number}", examples.location(id=f"LOC{number}"))
    found = page(Location, EVERYTHING, Query.parse({"offset": "2", "limit": "1"}), URL)

    assert ['"LOC2"' in document for document in found.documents] == [True]
    assert "Link" not in found.headers
    assert page(Location, EVERYTHING, Query.parse({"offset": "9"}), URL).documents == []


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"date_from": "2026-03-01T08:00:00Z"}, 3),
        ({"date_from": "2026-03-01T09:00:00Z"}, 2),
        ({"date_to": "2026-03-01T09:00:00Z"}, 1),
        ({"date_from": "2026-03-01T09:00:00Z", "date_to": "2026-03-01T10:00:00Z"}, 1),
    ],
)
def test_date_from_is_included_and_date_to_is_not(cpo, filters, found):
    for hour in (8, 9, 10):
        cpo.put(
            f"receiver/locations/NL/ABC/LOC{hour}",
            examples.location(id=f"LOC{hour}", last_updated=f"2026-03-01T{hour:02}:00:00Z"),
        )

    assert page(Location, EVERYTHING, Query.parse(filters), URL).headers["X-Total-Count"] == str(found)


@pytest.mark.usefixtures("transactional_db")
def test_a_page_stops_at_the_oldest_open_transaction(cpo):
    """A row that a transaction, still open, may commit with a lower place is not jumped over."""
    cpo.put("receiver/locations/NL/ABC/LOC0", examples.location(id="LOC0"))
    # Older than all transactions there are, those of other databases on this server included.
    Location.objects.update(inserted_in="3")
    older = connection.copy("older")
    try:
        with older.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("SELECT pg_current_xact_id()")
        cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())

        assert [row.key for row in Location.objects.order_by("key")] == ["LOC0", "LOC1"]
        assert [row.key for row in Location.objects.settled()] == ["LOC0"]
    finally:
        older.close()


def test_a_page_of_large_objects_is_shorter_and_nothing_is_left_out(cpo, emsp, monkeypatch):
    for number in range(5):
        cpo.put(f"receiver/locations/NL/ABC/L{number}", examples.location(id=f"L{number}", x="x" * 1_000))
    monkeypatch.setattr(pagination, "MOST_BYTES", 4_000)

    first = emsp.get("sender/locations")

    assert [row["id"] for row in first.data] == ["L0", "L1"]
    assert (first.headers["X-Total-Count"], first.headers["X-Limit"]) == ("5", "100")
    assert "offset=2&limit=100" in first.headers["Link"]
    assert [row["id"] for row in emsp.crawl("sender/locations")] == ["L0", "L1", "L2", "L3", "L4"]


def test_an_object_larger_than_a_page_is_a_page(cpo, emsp, monkeypatch):
    for number in range(2):
        cpo.put(f"receiver/locations/NL/ABC/L{number}", examples.location(id=f"L{number}"))
    monkeypatch.setattr(pagination, "MOST_BYTES", 10)

    assert [row["id"] for row in emsp.crawl("sender/locations")] == ["L0", "L1"]


def test_a_plus_that_was_not_encoded_is_understood(cpo, emsp):
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())

    answered = emsp.get("sender/locations?date_from=2026-03-01T09:00:00+01:00")

    assert (answered.codes, len(answered.data)) == ((200, 1000), 1)


def test_whoever_may_see_nothing_reads_an_empty_list(cpo):
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    found = page(Location, NOTHING, Query.parse({}), URL)

    assert (found.documents, found.headers) == ([], {"X-Total-Count": "0", "X-Limit": "100"})


@pytest.mark.parametrize("parameters", [{}, {"date_from": "2026-01-01T00:00:00Z"}, {"offset": "1"}])
def test_a_page_is_a_total_and_one_reading(cpo, parameters, django_assert_num_queries):
    for number in range(3):
        cpo.put(f"receiver/locations/NL/ABC/LOC{number}", examples.location(id=f"LOC{number}"))

    with django_assert_num_queries(2):
        page(Location, EVERYTHING, Query.parse(parameters), URL)


def test_documents_that_a_page_has_no_room_for_are_not_read(cpo, monkeypatch):
    for number in range(4):
        cpo.put(f"receiver/locations/NL/ABC/LOC{number}", examples.location(id=f"LOC{number}", x="x" * 1_000))
    monkeypatch.setattr(pagination, "MOST_BYTES", 4_000)

    rows = pagination._read(Location, SETTLED, pagination.Query.parse({"limit": "3"}))

    assert [document is not None for _, _, document in rows] == [True, True, False, False]
