"""The script that writes the conformance table."""

import importlib.util
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

TESTS = Path(__file__).resolve().parent.parent
TOML = """
[pagination]
PAG-01 = "lists are paged"
PAG-02 = { says = "by cursor", waits = "the cursor" }
["cdrs (later)"]
CDR-01 = "CDRs are listed"
"""


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """tests/conformance.py, whose name the package of these tests has too."""
    spec = importlib.util.spec_from_file_location("conformance_script", TESTS / "conformance.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_has_every_testable_row(script):
    table = script.rows((TESTS / "conformance_rows.toml").read_text(encoding="utf-8"))

    assert Counter(row.id.partition("-")[0] for row in table) == {
        "TRN": 21, "TYP": 9, "PAG": 15, "RSP": 13, "MET": 13, "UID": 6, "HUB": 37, "VER": 9, "CRED": 26, "LOC": 23,
        "SES": 18, "CDR": 21, "TAR": 19, "TOK": 18, "CMD": 21, "CHP": 14, "HCI": 12,
    }  # fmt: skip
    assert len({row.id for row in table}) == len(table) == 295


def test_a_row_of_a_finished_part_needs_a_test_unless_it_waits(script):
    table = script.rows(TOML)

    assert script.faults(table, {}) == ["PAG-01 (pagination) is shown by no test: lists are paged"]
    assert script.faults(table, {"PAG-01": {"a::b"}}) == []


def test_a_test_that_names_no_row_is_found(script):
    shown = {"PAG-01": {"a::b"}, "PAG-99": {"c::d", "a::b"}}

    assert script.faults(script.rows(TOML), shown) == ["a::b, c::d shows PAG-99, which is no row"]


def test_the_table_says_who_shows_what_and_what_waits(script):
    text = script.markdown(script.rows(TOML), {"PAG-01": {"z.py::two", "a.py::one"}})

    assert "| pagination | 2 | 1 | 1 |\n| cdrs (later) | 1 | 0 |  |\n" in text
    assert "| PAG-01 | pagination | lists are paged | `a.py::one`<br>`z.py::two` |\n" in text
    assert "| PAG-02 | pagination | by cursor | waits for the cursor |\n" in text
    assert "| CDR-01 | cdrs (later) | CDRs are listed |  |\n" in text
