"""The table of a run, and the page that keeps it."""

from benchmarks.figures import Figure
from benchmarks.table import REASONS, Machine, Section, document, sentence, summary, table

MET = Figure(
    "PUT Session", 1200.0, "requests/s", "bare view", 2000.0, 0.6, "at least 0.5", True, "of 5 rounds"
)
MISSED = Figure(
    "relay", 450.0, "requests/s", "bare", 1000.0, 0.45, "at least 0.6", False, "a|b", "0.15 (25%)"
)
REPORTED = Figure("last page by offset", 340.0, "ms")
MACHINE = Machine(
    "2026-11-21 09:00 UTC",
    "0123456789ab",
    True,
    "A CPU",
    4,
    "24 GB of memory",
    "3.11.7",
    "PostgreSQL 18.4",
    0.25,
)


def test_a_line_shows_both_sides_the_target_and_the_verdict():
    *_, line = table([MET]).splitlines()

    assert line == (
        "| PUT Session | 1200 requests/s | bare view | 2000 | 0.6 | at least 0.5 | met | of 5 rounds |"
    )


def test_a_missed_target_says_by_how_much():
    *_, line = table([MISSED]).splitlines()

    assert "| at least 0.6 | **missed** by 0.15 (25%) |" in line


def test_a_bar_in_a_note_does_not_end_its_cell():
    *_, line = table([MISSED]).splitlines()

    assert line.endswith("| a/b |")


def test_what_is_only_reported_has_no_verdict():
    *_, line = table([REPORTED]).splitlines()

    assert line == "| last page by offset | 340 ms |  |  |  |  |  |  |"


def test_the_progress_names_the_verdict():
    assert sentence(MISSED) == (
        "relay 450 requests/s, bare 1000: 0.45 (target at least 0.6: missed by 0.15 (25%))"
    )


def test_the_summary_counts_what_has_a_target():
    assert summary([MET, MISSED, REPORTED]) == "1 of 2 targets met; missed: relay"
    assert summary([MET, REPORTED]) == "1 of 1 targets met"


def test_the_page_says_what_the_figures_are_true_of():
    page = document(MACHINE, [Section("relay", [MISSED], 90.0), Section("sessions", [MET], 30.0)])

    assert "- 2026-11-21 09:00 UTC, commit `0123456789ab`\n- A CPU, 4 cores, 24 GB of memory\n" in page
    assert "- Python 3.11.7, PostgreSQL 18.4\n- load average at the start 0.2\n" in page
    assert "**1 of 2 targets met; missed: relay.**" in page
    assert (
        page.index("## relay")
        < page.index("| relay |")
        < page.index("## sessions")
        < page.index("| PUT Session |")
    )
    assert "The run took 2 minutes." in page
    assert page.endswith(REASONS.read_text())


def test_the_page_says_when_what_was_measured_is_not_committed():
    page = document(MACHINE._replace(clean=False), [])

    assert "commit `0123456789ab`, with changes that are not committed" in page
