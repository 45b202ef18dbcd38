"""Each kind of failure, provoked once, is in the error reports; what is private is in none of them, and in no log.

The provokers are in tests/errorreports/provoked; a kind that none of them provokes fails here.
"""

import logging

import pytest
from django.db import connection

from ocpi_hub import background
from ocpi_hub.errorreports.kinds import KINDS
from ocpi_hub.errorreports.models import ErrorReport, Occurrence
from ocpi_hub.logs import LineFormatter
from tests.errorreports.provoked import answers, calls, hub, requests
from tests.errorreports.provoked.stage import Stage

PROVOKERS = calls.PROVOKERS | requests.PROVOKERS | answers.PROVOKERS | hub.PROVOKERS

# What comes along with the failure, because it is one as well.
BESIDES = {
    "hub.alerts": {"request.no_token"},
    "hub.digest": {"request.no_token"},
    "delivery.given_up": {"delivery.server_error"},
    "pull.too_many_refused": {"object.refused"},
}

# Where tokens of drivers belong: objects, what is exchanged of them, and what was asked about them. The tokens of
# platforms are in none of these, either.
MAY_HOLD_DRIVERS = (
    "tokens_",
    "charging_sessions_session",
    "cdrs_cdr",
    "commands_command",
    "exchange_attempt",
    "exchange_callback",
    "exchange_deadletter",
    "exchange_delivery",
    "exchange_grant",
    "exchange_message",
    "exchange_refusedobject",
    "journal_hop",
)


@pytest.fixture
def stage(cpo, emsp, stranger, network, settings, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    caplog.handler.setFormatter(LineFormatter())  # as the hub writes it
    return Stage(cpo, emsp, stranger, network, settings, monkeypatch)


def test_every_kind_is_provoked_here():
    assert set(PROVOKERS) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_failure_is_in_the_error_reports_and_tells_nothing_private(stage, kind, caplog):
    PROVOKERS[kind](stage)
    background.flush()

    assert set(ErrorReport.objects.values_list("kind", flat=True)) == {kind} | BESIDES.get(kind, set())
    report = ErrorReport.objects.filter(kind=kind).latest("pk")
    assert report.what == KINDS[kind]
    assert len(report.text.split()) > 2
    assert Occurrence.objects.filter(report=report, text=report.text).exists()
    assert leaks(stage, caplog.text) == []


def leaks(stage, log):
    """Where something private stands though it must not: columns of tables, and the log."""
    found = [
        place for table, place, value in texts() if any(word in value for word in forbidden(stage, table))
    ]
    everything = forbidden(stage, "")
    return found + [
        f"the log: {line}" for line in log.splitlines() if any(word in line for word in everything)
    ]


def forbidden(stage, table):
    return stage.secrets if table.startswith(MAY_HOLD_DRIVERS) else stage.secrets | stage.drivers


def texts():
    """Every value of every column of every table that holds text."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.table_name, c.column_name FROM information_schema.columns c JOIN information_schema.tables t"
            " USING (table_schema, table_name) WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE'"
            " AND c.data_type IN ('text', 'character varying', 'jsonb', 'json', 'ARRAY')"
        )
        for table, column in cursor.fetchall():
            cursor.execute(f'SELECT "{column}"::text FROM "{table}" WHERE "{column}" IS NOT NULL')
            for (value,) in cursor.fetchall():
                yield table, f"{table}.{column}: {value[:200]}", value
