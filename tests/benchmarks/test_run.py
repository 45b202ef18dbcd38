"""The smallest measurement, run as `make bench` runs it, and what is refused as a measurement."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.load import Outcome
from benchmarks.processes import BadRun

ROOT = Path(__file__).resolve().parents[2]


def bench(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def outcome(**changed):
    fields = {"count": 90, "seconds": 3.0, "failed": 0, "outcomes": {"200/1000": 90}, "sample": ""}
    return Outcome(**{**fields, "p50": 1.0, "p95": 2.0, "longest": 3.0, **changed})


@pytest.mark.journey
def test_a_quick_run_of_one_measurement_prints_its_table_and_leaves_the_page_alone():
    page = ROOT / "docs" / "benchmarks.md"
    before = page.read_bytes() if page.exists() else None

    done = bench("--only", "relay", "--quick")

    assert done.returncode == 0, done.stdout + done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("| relay of GET tokens/<uid> |"))
    _, _, value, against, other, ratio, target, *_ = (cell.strip() for cell in line.split("|"))
    assert float(value.removesuffix(" requests/s")) > 0
    assert (against, target) == ("bare pass-through", "at least 0.6")
    assert 0 < float(ratio) < float(other)
    assert (page.read_bytes() if page.exists() else None) == before


def test_the_list_names_every_measurement_in_one_line():
    done = bench("--list")

    assert [line.split()[0] for line in done.stdout.splitlines()][:4] == [
        "relay",
        "sessions",
        "lists",
        "bulkhead",
    ]


def test_a_run_in_which_a_request_failed_is_no_measurement():
    failed = outcome(failed=1, outcomes={"200/1000": 90, "200/4003": 1}, sample="too many")

    with pytest.raises(BadRun) as refused:
        failed.without_failures()

    assert str(refused.value) == "1 of 91 requests failed: {'200/1000': 90, '200/4003': 1}; too many"


def test_a_run_in_which_nothing_was_answered_is_no_measurement():
    with pytest.raises(BadRun):
        outcome(count=0).without_failures()


def test_the_rate_is_what_was_answered_with_success():
    assert outcome().without_failures().per_second == 30
