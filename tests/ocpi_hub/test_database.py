"""Connections of the pool (ocpi_hub/database.py)."""

import psycopg
import pytest
from django.db import connection
from psycopg_pool import ConnectionPool

from ocpi_hub import database, settings
from ocpi_hub.database import Connection

ask = ConnectionPool.check_connection


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(database.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def lent(transactional_db):
    parameters = {**connection.get_connection_params(), "autocommit": True}
    parameters.pop("pool", None)
    with Connection.connect(**parameters) as opened:
        yield opened


def cut(lent):
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 10000)", [lent.info.backend_pid])


def test_a_connection_that_was_there_a_moment_ago_is_not_asked_again(lent, clock):
    ask(lent)
    cut(lent)
    clock[0] += 0.9

    ask(lent)

    clock[0] += 0.2
    with pytest.raises(psycopg.OperationalError):
        ask(lent)


def test_one_that_is_gone_is_not_believed_before_it_was_asked(lent, clock):
    cut(lent)

    with pytest.raises(psycopg.OperationalError):
        ask(lent)


def test_whatever_else_it_is_asked_it_answers(lent, clock):
    ask(lent)

    assert lent.execute("SELECT 1 + 1").fetchone() == (2,)
    assert lent.execute("SELECT %s::int", [3]).fetchone() == (3,)


def test_the_pool_of_the_hub_lends_such_connections(monkeypatch):
    monkeypatch.setattr(settings, "HUB_DB_POOL", 4)

    options = settings._database("postgresql://hub@127.0.0.1/hub")["OPTIONS"]

    assert options["pool"]["connection_class"] is Connection
