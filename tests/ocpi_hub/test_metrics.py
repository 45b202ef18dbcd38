"""Figures of several processes in one answer."""

import fcntl
import logging
import os
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram

from ocpi_hub import metrics
from ocpi_hub.metrics import Everybody, _write, _Writing, bury, clear


@pytest.fixture
def counter(monkeypatch) -> Counter:
    """A process that has counted nothing yet but what the test lets it count."""
    monkeypatch.setattr(metrics, "registry", CollectorRegistry())
    monkeypatch.setattr(metrics, "_writing", None)
    return Counter("hub_things", "Things.", ("kind",), registry=metrics.registry)


def process(folder: Path, *things: tuple[str, float], alive: bool = True) -> _Writing:
    """Another process that has counted these."""
    other = _Writing(folder)
    counted = {("hub_things", "hub_things_total", (("kind", kind),)): value for kind, value in things}
    _write(other.file, counted)
    if not alive:
        os.close(other.sign_of_life)
    return other


def told(folder: Path) -> dict[tuple[str, str], float]:
    return {
        (sample.name, *sample.labels.values()): sample.value
        for metric in Everybody(folder).collect()
        for sample in metric.samples
    }


def test_all_processes_are_summed(tmp_path, counter):
    counter.labels("a").inc(1)
    one = process(tmp_path, ("a", 10), ("b", 5))
    other = process(tmp_path, ("a", 100))

    assert told(tmp_path) == {("hub_things_total", "a"): 111, ("hub_things_total", "b"): 5}
    assert one.file != other.file


def test_our_own_file_is_not_counted_besides_what_we_know_ourselves(tmp_path, counter, monkeypatch):
    counter.labels("a").inc(7)
    ours = _Writing(tmp_path)
    monkeypatch.setattr(metrics, "_writing", ours)
    ours.write()
    counter.labels("a").inc(1)

    assert told(tmp_path) == {("hub_things_total", "a"): 8}


def test_what_a_process_has_counted_stays_when_it_ends_and_its_file_goes(tmp_path, counter):
    process(tmp_path, ("a", 10), alive=False)
    process(tmp_path, ("a", 1), ("b", 0), alive=False)
    living = process(tmp_path, ("a", 100))
    before = told(tmp_path)

    bury(tmp_path)

    assert told(tmp_path) == before == {("hub_things_total", "a"): 111, ("hub_things_total", "b"): 0}
    left = {file.name for file in tmp_path.glob("*.json*")}
    assert left == {"ended.json", living.file.name, living.file.with_suffix(".json-lives").name}
    bury(tmp_path)
    assert told(tmp_path) == before


def test_nothing_is_left_of_processes_that_died_before_they_wrote_or_while_they_did(tmp_path, counter):
    process(tmp_path, ("a", 1), alive=False).file.unlink()
    cut_off = process(tmp_path, ("a", 10), alive=False)
    cut_off.file.with_suffix(".json-new").write_text("[[")
    beginning = process(tmp_path)
    beginning.file.unlink()

    bury(tmp_path)

    left = {file.name for file in tmp_path.glob("*.json*")}
    assert left == {"ended.json", beginning.file.with_suffix(".json-lives").name}
    assert told(tmp_path) == {("hub_things_total", "a"): 10}


def test_while_the_dead_are_buried_nobody_reads(tmp_path, counter):
    process(tmp_path, ("a", 1))
    with (tmp_path / "lock").open("a") as reader:
        fcntl.flock(reader, fcntl.LOCK_EX)
        with (tmp_path / "lock").open("a") as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_SH | fcntl.LOCK_NB)
    assert told(tmp_path) == {("hub_things_total", "a"): 1}


def test_histograms_are_summed_bucket_by_bucket(tmp_path, counter, monkeypatch):
    durations = Histogram("hub_wait_seconds", "Waits.", buckets=(1, 5), registry=metrics.registry)
    durations.observe(3)
    other = _Writing(tmp_path)
    other.write()
    durations.observe(0.5)

    waits = {key: value for key, value in told(tmp_path).items() if key[0] != "hub_things_total"}

    assert waits == {
        ("hub_wait_seconds_bucket", "1.0"): 1,
        ("hub_wait_seconds_bucket", "5.0"): 3,
        ("hub_wait_seconds_bucket", "+Inf"): 3,
        ("hub_wait_seconds_count",): 3,
        ("hub_wait_seconds_sum",): 6.5,
    }


def test_without_a_folder_a_process_tells_what_it_has_counted_itself(tmp_path, counter):
    counter.labels("a").inc()

    assert told(tmp_path / "none") == {("hub_things_total", "a"): 1}


def test_whoever_starts_all_anew_begins_at_nought(tmp_path, counter):
    process(tmp_path, ("a", 10), alive=False)
    bury(tmp_path)

    clear(tmp_path)
    clear(tmp_path / "none")

    assert told(tmp_path) == {}


@pytest.mark.parametrize("content", [b"", b"[[[", b'{"a": 1}', b"\xff\x00"])
def test_a_file_that_a_power_cut_left_costs_its_figures_alone(tmp_path, counter, caplog, content):
    counter.labels("a").inc(2)
    process(tmp_path, alive=False).file.write_bytes(content)
    process(tmp_path, ("a", 5), alive=False)

    with caplog.at_level(logging.WARNING):
        assert told(tmp_path) == {("hub_things_total", "a"): 7}
        bury(tmp_path)

    assert told(tmp_path) == {("hub_things_total", "a"): 7}
    assert "cannot be read" in caplog.text


def test_a_full_disk_costs_the_figures_and_nothing_else(tmp_path, counter, monkeypatch, caplog):
    ours = _Writing(tmp_path)
    counter.labels("a").inc(2)

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk, caplog.at_level(logging.WARNING):
        disk.setattr(metrics, "_write", full)
        ours.write()
        ours.write()
    ours.write()

    assert [record.getMessage() for record in caplog.records] == [
        "the figures for /metrics cannot be written: No space left on device"
    ]
    assert told(tmp_path) == {("hub_things_total", "a"): 4}  # a stranger's file, and our own memory


def test_a_folder_that_cannot_be_made_does_not_keep_a_process_from_starting(tmp_path, counter, caplog):
    (tmp_path / "file").write_text("")

    with caplog.at_level(logging.WARNING):
        metrics.publish(tmp_path / "file" / "metrics")

    assert "the figures of this process are missing in /metrics" in caplog.text
    assert metrics._writing is None


def test_a_process_publishes_once(tmp_path, counter, monkeypatch):
    ours = _Writing(tmp_path)
    monkeypatch.setattr(metrics, "_writing", ours)

    metrics.publish(tmp_path)

    assert metrics._writing is ours
    assert ours.owner == os.getpid()
