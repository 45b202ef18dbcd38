"""A connection of the pool that is not asked with every request whether it is still there."""

import time
from typing import Any

import psycopg

TRUSTED = 1.0  # seconds that a connection is believed to be there after it said so


class Connection(psycopg.Connection[Any]):
    """The pool asks by an empty query before it lends a connection; a busy one was asked a moment ago.

    Of connections that are cut, as by a restart of PostgreSQL, those are found within a second; whoever is lent one
    before hears of it by an error, as of one that is cut while it is used.
    """

    _there_at = float("-inf")

    def execute(self, query: Any, *args: Any, **kwargs: Any) -> "psycopg.Cursor[Any]":
        if query != "":
            return super().execute(query, *args, **kwargs)
        if time.monotonic() - self._there_at < TRUSTED:
            return self.cursor()
        cursor = super().execute(query, *args, **kwargs)
        self._there_at = time.monotonic()
        return cursor
