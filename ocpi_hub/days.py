"""Tables with a partition a day: prepared ahead, dropped whole when its time is over.

Rows that came before their day was there stand in the default partition, <table>_rest, and move over.
"""

import re
from datetime import date, timedelta

from django.db import connection, transaction
from django.utils import timezone

_CREATE = """
CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
WITH moved AS (DELETE FROM {table}_rest WHERE at >= '{begin}' AND at < '{end}' RETURNING *)
INSERT INTO {name} SELECT * FROM moved;
ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ('{begin}') TO ('{end}');
"""


class Days:
    """The days of one table, which is partitioned by the range of its column `at`."""

    def __init__(self, table: str, *, ahead: int = 14) -> None:
        self.table, self.ahead = table, ahead
        self._name = re.compile(rf"{table}_(\d{{4}})_(\d{{2}})_(\d{{2}})")

    def prepare(self, today: date | None = None) -> list[date]:
        """Make the days from yesterday on that are missing; those that were made."""
        today = today or timezone.now().date()
        wanted = [today + timedelta(days=offset) for offset in range(-1, self.ahead + 1)]
        missing = sorted(set(wanted) - set(self.existing()))
        for day in missing:
            self._create(day)
        return missing

    def _create(self, day: date) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"LOCK TABLE {self.table} IN SHARE UPDATE EXCLUSIVE MODE")
            if day not in self.existing():
                name = f"{self.table}_{day:%Y_%m_%d}"
                cursor.execute(
                    _CREATE.format(
                        table=self.table,
                        name=name,
                        begin=f"{day:%Y-%m-%d} 00:00:00+00",
                        end=f"{day + timedelta(days=1):%Y-%m-%d} 00:00:00+00",
                    )
                )

    def existing(self) -> list[date]:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass",
                [self.table],
            )
            names = [self._name.fullmatch(row[0]) for row in cursor.fetchall()]
        return [date(*map(int, name.groups())) for name in names if name]

    def drop_before(self, oldest: date) -> list[date]:
        """Drop the days before this one; what stood in the default partition from before goes as well."""
        dropped = sorted(day for day in self.existing() if day < oldest)
        with connection.cursor() as cursor:
            for day in dropped:
                cursor.execute(f"DROP TABLE {self.table}_{day:%Y_%m_%d}")
            cursor.execute(f"DELETE FROM {self.table}_rest WHERE at < %s", [f"{oldest:%Y-%m-%d} 00:00:00+00"])  # noqa: S608  # a name of ours
        return dropped
