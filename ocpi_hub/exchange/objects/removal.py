"""Objects that go for good, without a tombstone and without telling anybody: past their time, or erased."""

from collections.abc import Sequence

from django.db import connection

from ocpi_hub.exchange.objects import tally
from ocpi_hub.exchange.objects.ownedobject import OwnedObject


def remove(model: type[OwnedObject], row_ids: Sequence[int]) -> int:
    """Delete these rows and take them off the totals of lists; how many there were."""
    if not model.is_one_row():
        raise TypeError(f"{model.module} have tables beside their own, which would keep rows of what is gone")
    table = connection.ops.quote_name(model._meta.db_table)
    statement = (
        f"WITH gone AS (DELETE FROM {table} WHERE id = ANY(%s) RETURNING {table}.*),"  # noqa: S608  # names of ours
        f" tallied AS ({tally.of_the_gone(model)}) SELECT count(*) FROM gone"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [list(row_ids), model.module])
        return int(cursor.fetchone()[0])
