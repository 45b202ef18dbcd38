"""The database connection of a thread, which nobody holds who waits for somebody outside."""

from django.db import connection


class InsideTransaction(RuntimeError):
    """The hub's own code calls a partner while a transaction is open; never to be caught."""


def release_connection() -> None:
    """Give the database connection back before waiting for a partner, who may take his time.

    A connection held while HTTP runs is missing to everybody else, so an open transaction here is a fault.
    """
    if connection.in_atomic_block:
        raise InsideTransaction("a partner is called inside a database transaction")
    connection.close()
