"""The database's clock: leases, claims and waits are judged by it, because machines' own clocks differ and jump.

Leases and claims are written and compared inside PostgreSQL (Now() is its statement_timestamp()). For all else
now() is near enough: read from the database now and then, and carried on by a clock that nobody sets.
"""

from datetime import datetime, timedelta
from time import monotonic

from django.db import connection

READ_EVERY = 10.0  # seconds; so long a jump of the database's own clock may go unnoticed

_read: tuple[float, datetime] | None = None


def now() -> datetime:
    global _read
    read = _read
    if read is None or not 0 <= monotonic() - read[0] < READ_EVERY:
        connection.ensure_connection()  # for which it may have to wait
        before = monotonic()
        read = _read = (before, _of_database())
    return read[1] + timedelta(seconds=monotonic() - read[0])


def _of_database() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        moment: datetime = cursor.fetchone()[0]
    return moment
