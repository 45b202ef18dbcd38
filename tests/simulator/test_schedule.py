"""What is done a moment later."""

import threading

from simulator.schedule import Schedule
from tests.simulator.conftest import AFTER


def test_what_is_due_is_done_in_order_and_what_it_brings_about_the_next_time():
    done: list[str] = []
    schedule = Schedule(done.append)
    schedule.after(2, lambda: done.append("second"))
    schedule.after(1, lambda: (done.append("first"), schedule.after(0, lambda: done.append("third"))))

    assert schedule.work(0) == 0
    assert schedule.work(AFTER) == 2
    assert done == ["first", "second"]
    assert schedule.work(AFTER) == 1
    assert done[-1] == "third"


def test_one_that_fails_is_told_and_the_others_are_done(caplog):
    told: list[str] = []
    schedule = Schedule(told.append)
    schedule.after(0, lambda: 1 / 0)
    schedule.after(0, lambda: told.append("done"))

    schedule.work(AFTER)

    assert told == ["ZeroDivisionError: division by zero", "done"]


def test_threads_do_what_is_due_soon_even_if_something_else_is_due_in_a_thousand_years():
    schedule = Schedule(lambda error: None)
    came = threading.Event()
    schedule.after(3e10, lambda: None)
    schedule.start(threads=1)

    schedule.after(0.01, came.set)

    assert came.wait(10)
    assert len(schedule) == 1
