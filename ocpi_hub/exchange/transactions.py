"""The transaction that wrote a row, as a column: rows become visible in its order (docs/decisions/0001)."""

from typing import Any

from django.db import models
from django.db.models import Func


class CurrentTransaction(Func):
    function = "pg_current_xact_id"
    template = "%(function)s()"


class TransactionID(models.Field):
    """A PostgreSQL transaction id (xid8), which tells when a row became visible to others."""

    def db_type(self, connection: Any) -> str:
        return "xid8"
