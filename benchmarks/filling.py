"""Fills a hub's tables past its interfaces, consistently with what the store would have written."""

from collections.abc import Iterator
from itertools import islice

import psycopg

from benchmarks import documents
from benchmarks.hub import Hub, Registered
from benchmarks.processes import answer_of

BATCH = 500  # rows of one transaction, about a page of a pull

LOCATION = (
    "COPY locations_location (country_code, party_id, object_id, source_id, last_updated, document, publish, name,"
    " address, city, postal_code, country, digest, audience, findings) FROM STDIN"
)
EVSE = """
INSERT INTO locations_evse (location_id, uid, evse_id, status, connectors, last_updated, status_since)
SELECT location.id, evse ->> 'uid', evse ->> 'evse_id', evse ->> 'status', jsonb_array_length(evse -> 'connectors'),
    (evse ->> 'last_updated')::timestamptz, (evse ->> 'last_updated')::timestamptz
FROM locations_location location, jsonb_array_elements(location.document::jsonb -> 'evses') evse
"""
TOKENS = """
INSERT INTO tokens_token (country_code, party_id, object_id, source_id, last_updated, document, type, contract_id,
                          visual_number, issuer, valid, whitelist, digest, audience, findings)
SELECT %(country)s::text, %(party)s::text, uid, %(source)s, %(time)s,
    replace(replace(%(document)s, %(first_uid)s, uid), %(first_number)s, number),
    'RFID', %(country)s::text || %(party)s::text || 'C' || number,
    %(country)s::text || '-' || %(party)s::text || '-C' || number, 'A provider',
    true, 'ALLOWED', '', '', '{}'
FROM (SELECT lpad(upper(to_hex(n)), 14, '0') AS uid, lpad(n::text, 8, '0') AS number
      FROM generate_series(%(begin)s::bigint, %(end)s::bigint) n) one
"""


def locations(hub: Hub, owner: Registered, count: int) -> None:
    """So many Locations with their EVSEs, in transactions of BATCH."""
    country_code, party_id = owner.parties[0].split("-")[:2]
    rows = _locations(count, country_code, party_id, owner.platform_id)
    with psycopg.connect(hub.database_url) as connection:
        while batch := list(islice(rows, BATCH)):
            with connection.cursor().copy(LOCATION) as copy:
                for row in batch:
                    copy.write_row(row)
            connection.commit()
        connection.execute(EVSE)
        connection.commit()
    settled(hub, "locations")


def _locations(count: int, country_code: str, party_id: str, source: int) -> Iterator[tuple[object, ...]]:
    for number in range(count):
        one = documents.location(number, country_code, party_id)
        yield (
            *(country_code, party_id, one["id"], source, one["last_updated"], documents.compact(one)),
            *(one["publish"], one["name"], one["address"], one["city"], one["postal_code"], one["country"]),
            *("", "", "{}"),
        )


def tokens(hub: Hub, owner: Registered, count: int) -> None:
    """So many Tokens, made by the database itself in transactions of a tenth of them."""
    country_code, party_id = owner.parties[0].split("-")[:2]
    step = -(-count // 10)
    named = {
        "country": country_code,
        "party": party_id,
        "source": owner.platform_id,
        "time": documents.TIME,
        "document": documents.token(1, country_code, party_id),
        "first_uid": f"{1:014X}",
        "first_number": f"{1:08d}",
    }
    with psycopg.connect(hub.database_url, autocommit=True) as connection:
        for begin in range(1, count + 1, step):
            connection.execute(TOKENS, {**named, "begin": begin, "end": min(begin + step - 1, count)})
    settled(hub, "tokens")


def settled(hub: Hub, module: str) -> None:
    """What keeps itself up to date otherwise: statistics and free space of the tables, and the totals of lists."""
    table = {"locations": "locations_location, locations_evse", "tokens": "tokens_token"}[module]
    hub.sql(f"VACUUM ANALYZE {table}")
    answer_of("benchmarks.totals", {"module": module, "mend": True}, env=hub.env)
