"""Fixtures of the tests of the machinery."""

from collections.abc import Callable
from importlib import import_module

import pytest
from django.db import connection


@pytest.fixture
def two_modules(settings) -> None:
    """Locations and Tokens are exchanged and nothing else: enough to show what holds for every module."""
    import_module(settings.ROOT_URLCONF)  # its addresses are made once, for all tests of the process
    settings.OCPI_MODULES = ["locations", "tokens"]


@pytest.fixture
def rows_read(db) -> Callable[[str], int]:
    """How many rows of a table this transaction has read so far, as PostgreSQL counts them."""

    def count(table: str) -> int:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = %s",
                [table],
            )
            return int(cursor.fetchone()[0])

    return count
