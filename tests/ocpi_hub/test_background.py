"""Rows that are written a moment later (ocpi_hub/background.py)."""

import threading
import time

import pytest
from django.conf import settings
from django.db import DataError, OperationalError
from psycopg.errors import ProgramLimitExceeded

from ocpi_hub import background
from ocpi_hub.background import Writer


@pytest.fixture
def writers(monkeypatch):
    monkeypatch.setattr(background, "_writers", [])
    monkeypatch.setattr(settings, "HUB_BACKGROUND", True)
    monkeypatch.setattr(background, "PAUSE", 0.01)


class Book:
    """What was written; it fails on the rows of a table."""

    def __init__(self, faults=()):
        self.batches, self.faults, self.done = [], dict(faults), threading.Event()

    def write(self, rows):
        for row in rows:
            if self.faults.get(row):
                raise self.faults[row].pop(0)
        self.batches.append(list(rows))
        if "last" in rows:
            self.done.set()

    @property
    def rows(self):
        return [row for batch in self.batches for row in batch]


def test_rows_are_written_in_the_order_in_which_they_came(writers):
    book = Book()
    writer = Writer("book", book.write, batch=2, every=0.01)

    for row in (1, 2, 3, "last"):
        writer.put(row)

    assert book.done.wait(10)
    assert book.rows == [1, 2, 3, "last"]
    assert max(map(len, book.batches)) <= 2


def test_rows_wait_for_a_database_that_is_away(writers):
    book = Book({2: [OperationalError("gone"), OperationalError("gone")]})
    writer = Writer("book", book.write, every=0.01)

    for row in (1, 2, "last"):
        writer.put(row)

    assert book.done.wait(10)
    assert book.rows == [1, 2, "last"]
    assert writer.dropped == 0


def test_a_row_that_can_never_be_written_is_dropped_alone(writers):
    book = Book({2: [DataError("NUL")] * 9})
    writer = Writer("book", book.write, every=0.2)

    for row in (1, 2, 3, "last"):
        writer.put(row)

    assert book.done.wait(10)
    assert book.rows == [1, 3, "last"]
    assert writer.dropped == 1


def test_a_database_that_goes_away_while_rows_are_written_one_by_one_gets_none_of_them_twice(writers):
    book = Book({2: [DataError("NUL")] * 9, 3: [OperationalError("gone")]})
    writer = Writer("book", book.write, every=0.2, weight=lambda row: 1, most_weight=10)

    for row in (1, 2, 3, "last"):
        writer.put(row)

    assert book.done.wait(10)
    assert book.rows == [1, 3, "last"]
    assert writer.dropped == 1
    while writer._weighs:
        time.sleep(0.01)


def test_a_row_beyond_the_limits_of_the_database_holds_up_nothing(writers):
    """PostgreSQL tells of it as of its own troubles, and would refuse it for ever."""
    too_long = OperationalError("index row size 2880 exceeds btree version 4 maximum 2704")
    too_long.__cause__ = ProgramLimitExceeded()
    book = Book({2: [too_long] * 9})
    writer = Writer("book", book.write, every=0.2)

    for row in (1, 2, "last"):
        writer.put(row)

    assert book.done.wait(10)
    assert book.rows == [1, "last"]
    assert writer.dropped == 1


def test_what_cannot_wait_any_more_is_dropped_and_nobody_is_held_up(writers):
    gate = threading.Event()
    writer = Writer("book", lambda rows: gate.wait(10), most=5, batch=1, every=0.01)
    writer.put("held")
    while writer.waiting():
        time.sleep(0.01)

    for row in range(8):
        writer.put(row)

    assert (writer.waiting(), writer.dropped) == (5, 3)
    gate.set()


def test_a_test_writes_what_waits_by_itself(writers, monkeypatch):
    monkeypatch.setattr(settings, "HUB_BACKGROUND", False)
    book = Book()
    writer = Writer("book", book.write, batch=2)
    for row in (1, 2, 3):
        writer.put(row)

    assert book.rows == []
    background.flush()

    assert book.batches == [[1, 2], [3]]
    assert writer.waiting() == 0


def test_large_rows_wait_only_while_they_weigh_no_more_together_than_they_may(writers, monkeypatch):
    monkeypatch.setattr(settings, "HUB_BACKGROUND", False)
    book = Book()
    writer = Writer("book", book.write, weight=len, most_weight=10)

    for row in ("12345", "1234567", "12345"):
        writer.put(row)

    assert (writer.waiting(), writer.dropped) == (2, 1)
    writer.flush()
    writer.put("1234567")
    writer.flush()
    assert book.rows == ["12345", "12345", "1234567"]


def test_what_was_written_by_the_thread_makes_room_and_what_waits_for_the_database_does_not(writers):
    book = Book({"12345": [OperationalError("gone")] * 3})
    writer = Writer("book", book.write, every=0.01, weight=len, most_weight=10)

    for row in ("12345", "last"):
        writer.put(row)
    assert book.done.wait(10)
    while writer._weighs:
        time.sleep(0.01)
    writer.put("1234567890")

    assert writer.dropped == 0


def test_under_load_rows_wait_for_others_and_are_written_together(writers):
    """While a batch is written more rows come; they are no batch of their own before the time is over."""
    batches, writing, done = [], threading.Event(), threading.Event()

    def write(rows):
        batches.append(list(rows))
        if 1 in rows:
            writer.put("fourth")
            writing.set()
        elif "last" in rows:
            done.set()

    writer = Writer("book", write, batch=3, every=60)
    for row in (1, 2, 3):
        writer.put(row)
    assert writing.wait(10)
    for row in ("fifth", "last"):
        writer.put(row)

    assert done.wait(10)
    assert batches == [[1, 2, 3], ["fourth", "fifth", "last"]]
