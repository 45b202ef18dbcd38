"""Fills a hub's journal and looks for journeys in it, inside a process that has the hub's settings: JSON in and out."""

import json
import os
import re
import sys
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

from benchmarks import documents

TIMES = 5
BATCH = 500
OF_A_SESSION = 10  # messages
DRIVERS, EVSES = 2_000, 500
SECONDS = 0.25  # between two messages


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ocpi_hub.settings")
    import django

    django.setup()
    json.dump(answer(**json.load(sys.stdin)), sys.stdout)


def answer(messages: int, operator: int, provider: int) -> dict[str, Any]:
    """What each search came to in the slowest of TIMES, and what a hop takes of the disk."""
    from django.db import connection

    from ocpi_hub.journal import writing

    seen = hops(messages, operator, provider)
    while batch := list(islice(seen, BATCH)):
        writing.write(batch)
    with connection.cursor() as cursor:
        for statement in FILL:
            cursor.execute(statement, {"count": messages, "operator": operator, "provider": provider})
        cursor.execute("ANALYZE journal_hop, exchange_message, exchange_delivery, exchange_attempt")
        cursor.execute(
            "SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree('journal_hop_drivers') WHERE isleaf"
        )
        size = int(cursor.fetchone()[0])
    middle = messages // 2
    asked = {
        "correlation id": f"c-{middle:032d}",
        "request id": f"i-{middle:032d}",
        "Session": f"sessions/NL/C00/{session_id(middle)}",
        "bare id of a Session": session_id(middle),
        "token": f"token:{middle % DRIVERS:014X}",
        "EVSE": f"evse:EVSE{middle % EVSES:04d}",
        "partner": "NL*C00",
    }
    return {
        "found": {name: searched(text) for name, text in asked.items()},
        "times": TIMES,
        "hops": 2 * messages,
        "bytes": size / (2 * messages),
    }


def session_id(number: int) -> str:
    return f"SESSION{number // OF_A_SESSION:08d}-0000-0000-000000000000"


def hops(messages: int, operator: int, provider: int) -> Iterator[Any]:
    """For each message a PUT that comes in and one that goes out, as the hub would have seen them."""
    from ocpi_hub.journal.seen import Seen
    from ocpi_hub.protocol.headers import MessageIDs

    now = time.time()
    done = b'{"status_code":1000,"timestamp":"2026-03-01T12:00:00.000Z"}'
    for number in range(messages):
        place = f"receiver/sessions/NL/C00/{session_id(number)}"
        body = session(number).encode()
        at = now - (messages - number) * SECONDS
        headers = {"OCPI-from-country-code": "NL", "OCPI-from-party-id": "C00"}
        came = Seen(
            at=at, is_in=True, platform_id=operator, module="", method="PUT", url=f"/ocpi/2.2.1/{place}",
            remote="192.0.2.1", headers=headers | {"Content-Type": "application/json"}, request=body,
            request_size=len(body), http_status=200, answer_headers={"Content-Type": "application/json"},
            answer=done, answer_size=len(done), failure="", seconds=0.004,
            ids=MessageIDs(f"i-{number:032d}", f"c-{number:032d}"), delivery_id=None,
        )  # fmt: skip
        yield came
        yield came._replace(
            at=at + 0.05, is_in=False, platform_id=provider, url=f"http://127.0.0.1:9/emsp0/{place}", remote="",
            headers=headers | {"OCPI-to-country-code": "DE", "OCPI-to-party-id": "M00"}, delivery_id=number + 1,
            ids=MessageIDs(f"o-{number:032d}", f"c-{number:032d}"),
        )  # fmt: skip


def session(number: int) -> str:
    changed = json.loads(documents.session(number, documents.TIME, "DE-M00", "NL-C00"))
    changed |= {"id": session_id(number), "evse_uid": f"EVSE{number % EVSES:04d}", "kwh": number % 80}
    changed["cdr_token"] |= {"uid": f"{number % DRIVERS:014X}"}
    return documents.compact(changed)


# What the exchange has of the same messages.
FILL = (
    """
INSERT INTO exchange_message (created_at, module, row_id, key, path, parent_key, variant, method, body, audience,
    bulk, from_party, source_id, request_id, correlation_id, expanded_at)
SELECT now(), 'sessions', n, 'NL/C00/S' || n, 'NL/C00/S' || n, 'NL/C00/S' || n, '', 'PUT', '{}', 'DE*M00', false,
    'NL*C00', %(operator)s, 'i-' || lpad(n::text, 32, '0'), 'c-' || lpad(n::text, 32, '0'), now()
FROM generate_series(0, %(count)s - 1) n
""",
    """
INSERT INTO exchange_delivery (platform_id, message_id, module, row_id, key, parent_key, path, variant, to_party, exact,
    priority, state, tries, next_attempt_at, reason, created_at, finished_at)
SELECT %(provider)s, id, module, row_id, key, parent_key, path, '', 'DE*M00', true, 1, 'DELIVERED', 1, NULL, 'accepted',
    now(), now()
FROM exchange_message
""",
    """
INSERT INTO exchange_attempt (at, delivery_id, platform_id, method, url, request_id, correlation_id, http_status,
    status_code, outcome, milliseconds)
SELECT now(), delivery.id, %(provider)s, 'PUT', 'u', 'o-' || substr(correlation_id, 3), correlation_id, 200, 1000,
    'accepted', 4
FROM exchange_delivery delivery JOIN exchange_message message ON message.id = message_id
""",
)


def searched(text: str) -> dict[str, Any]:
    """The page of the admin, from the request to the last byte."""
    from django.contrib.auth.models import User
    from django.test import Client

    user, _ = User.objects.get_or_create(username="measuring", is_staff=True, is_superuser=True)
    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(user)
    took = []
    for _ in range(TIMES):
        began = time.perf_counter()
        page = client.get("/admin/journey/", {"q": text}).content.decode()
        took.append((time.perf_counter() - began) * 1000)
    return {"milliseconds": max(took), "shown": shown(page)}


def shown(page: str) -> str:
    """How much the page tells, in words."""
    if '<ol class="journey">' in page:
        return f"{len(re.findall('what-(?:came-in|went-out)', page))} hops"
    return f"{page.count('?q=correlation%3A')} journeys"


if __name__ == "__main__":
    main()
