"""What a management command says where an operator must act."""

import argparse
import os
import pwd
import subprocess
import sys
import time
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import get_commands, load_command_class
from django.db import OperationalError

from ocpi_hub import commandline
from tests.ocpi_hub.machine import ROOT, free_port

KEY = "b25seS1mb3ItbWFrZS1jaGVjay1vbmx5LWZvci1tYWs="
COMMANDS = [
    ("repairs", "--platform", "1"),
    ("pull",),
    ("invite", "--name", "A", "--party", "NL-ABC-CPO"),
    ("rekey",),
    ("createsuperuser", "--noinput", "--username", "a", "--email", "a@hub.example"),
    ("migrate",),
]


def said(*arguments: str, **environment: str) -> str:
    """The one line of a command that fails as an operator expects it."""
    ours = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY")
    kept = {name: text for name, text in os.environ.items() if name not in ours and name[:4] != "HUB_"}
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={**kept, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stdout + done.stderr
    return done.stderr.strip()


@pytest.mark.journey
@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda arguments: arguments[0])
def test_a_command_without_its_hub_says_at_once_how_to_start_it(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    began = time.monotonic()
    line = said(*arguments, HUB_VAR=str(tmp_path))
    seconds = time.monotonic() - began

    assert line == (
        f"CommandError: PostgreSQL of HUB_VAR={tmp_path} does not run: start the hub with make run"
    )
    began = time.monotonic()
    environment = {**os.environ, "HUB_VAR": str(tmp_path)}
    subprocess.run(
        [sys.executable, "manage.py", "help"], cwd=ROOT, env=environment, capture_output=True, check=True
    )
    # What a busy machine makes slow is slow in both; the pool alone took ten seconds.
    assert seconds < time.monotonic() - began + 8


@pytest.mark.journey
def test_a_database_that_does_not_answer_is_named_without_its_login() -> None:
    port = free_port()

    line = said(
        "rekey",
        DATABASE_URL=f"postgresql://somebody:secret@127.0.0.1:{port}/hub",
        REDIS_URL="redis://127.0.0.1:9/0",
        SECRET_KEY="s" * 50,
        HUB_KEYS=KEY,
    )

    assert line == f"CommandError: PostgreSQL at 127.0.0.1:{port} does not answer: connection refused"


@pytest.mark.journey
def test_a_database_without_tables_is_to_be_migrated() -> None:
    database = urlsplit(os.environ["DATABASE_URL"])._replace(path="/postgres").geturl()
    services = {"DATABASE_URL": database, "REDIS_URL": os.environ["REDIS_URL"]}

    line = said("rekey", **services, SECRET_KEY="s" * 50, HUB_KEYS=KEY)

    assert line == (
        "CommandError: The database is not migrated to this version of the hub: run manage.py migrate"
    )


@pytest.mark.journey
@pytest.mark.parametrize("var", ["/proc/none", "/etc/passwd"])
def test_a_state_folder_that_cannot_be_used_is_one_line(var: str) -> None:
    assert said("up", HUB_VAR=var).startswith(f"CommandError: HUB_VAR={var} is not a folder")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            'connection failed: connection to server at "::1", port 9 failed: Connection refused\n\tIs the?',
            "connection refused",
        ),
        (
            "connection failed: Multiple connection attempts failed. All failures were:\n"
            "- host: 'localhost', hostaddr: '::1': connection failed: Cannot assign requested address\n"
            "- host: 'localhost', hostaddr: '127.0.0.1': connection failed: Connection refused\n",
            "connection refused",
        ),
        (
            'connection failed: FATAL:  password authentication failed for user "somebody"',
            "password authentication failed for user of DATABASE_URL",
        ),
        ("connection timeout expired", "connection timeout expired"),
        ("", "no reason given"),
    ],
)
def test_the_reason_is_the_end_of_what_the_library_says(text: str, reason: str) -> None:
    assert commandline.cause(text, "somebody") == reason


def test_what_no_operator_can_mend_keeps_its_traceback() -> None:
    class Locked(Exception):
        sqlstate = "55P03"

    error = OperationalError("canceling statement due to lock timeout")
    error.__cause__ = Locked()

    assert commandline.told(error) is None
    assert commandline.told(ImproperlyConfigured("HUB_VAR is wrong")) == "HUB_VAR is wrong"


# ------------------------------------------------------------------------------- output that nobody reads on
@pytest.mark.parametrize("length", [1, 1_000_000])
@pytest.mark.parametrize("code", [None, 1])
def test_a_command_whose_output_nobody_reads_ends_without_a_word(
    monkeypatch: pytest.MonkeyPatch, length: int, code: int | None
) -> None:
    def execute(argv: list[str]) -> int:
        sys.stdout.write("x" * length)
        return sys.exit(code) if code else 0

    reader, writer = os.pipe()
    os.close(reader)
    monkeypatch.setattr(commandline, "execute", execute)

    with os.fdopen(writer, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        assert commandline.run(["manage.py"]) == 141
        stdout.write("what is written at the end of Python goes nowhere")


def test_a_connection_that_breaks_is_not_taken_for_that(monkeypatch: pytest.MonkeyPatch) -> None:
    def execute(argv: list[str]) -> int:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(commandline, "execute", execute)

    with pytest.raises(BrokenPipeError):
        commandline.run(["manage.py"])


@pytest.mark.journey
@pytest.mark.parametrize("arguments", [("help",), ("help", "--commands"), ("version",)], ids=" ".join)
def test_head_after_a_command_leaves_no_traceback(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)

    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={**os.environ, "HUB_VAR": str(tmp_path)},
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    os.close(writer)

    assert (done.returncode, done.stderr) == (141, "")


# ---------------------------------------------------------------------------------------- who gives a command
@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A process of the user hub, whatever its environment says."""
    monkeypatch.setattr(os, "getuid", lambda: 1234)
    monkeypatch.setattr(pwd, "getpwuid", lambda number: SimpleNamespace(pw_name={1234: "hub"}[number]))
    monkeypatch.setenv("LOGNAME", "somebody")
    monkeypatch.delenv("SUDO_USER", raising=False)
    return monkeypatch


def test_the_name_that_is_given_stands_beside_the_user_of_the_system(system: pytest.MonkeyPatch) -> None:
    assert commandline.acting("ann") == "ann (hub, manage.py)"
    assert commandline.acting() == commandline.acting(" ") == "hub, manage.py"


def test_who_became_another_user_is_named(system: pytest.MonkeyPatch) -> None:
    system.setenv("SUDO_USER", "carol")

    assert commandline.acting("ann") == "ann (hub, sudo by carol, manage.py)"


def test_a_user_without_a_name_is_a_number(system: pytest.MonkeyPatch) -> None:
    def unknown(number: int) -> None:
        raise KeyError(number)

    system.setattr(pwd, "getpwuid", unknown)

    assert commandline.acting("ann") == "ann (user 1234, manage.py)"


def test_however_long_the_names_are_both_fit_into_an_audit_row(system: pytest.MonkeyPatch) -> None:
    system.setenv("SUDO_USER", "c" * 500)

    said = commandline.acting("a" * 500)

    assert said == f"{'a' * 60} (hub, sudo by {'c' * 32}, manage.py)"
    assert len(said) + commandline.LONGEST_USER - len("hub") <= 150


@pytest.mark.parametrize("command", ["errors", "deadletters", "erase", "reconcile"])
def test_every_command_that_is_audited_takes_a_name(command: str) -> None:
    parser = load_command_class(get_commands()[command], command).create_parser("manage.py", command)

    assert "--by" in parser.format_help()


# ------------------------------------------------------------------------------------------ days and times
def test_a_day_and_a_time_are_read_as_utc() -> None:
    assert commandline.day("2026-03-01") == date(2026, 3, 1)
    assert commandline.moment("2026-03-01") == datetime(2026, 3, 1, tzinfo=UTC)
    assert commandline.moment("2026-03-01T07:00") == datetime(2026, 3, 1, 7, tzinfo=UTC)
    assert commandline.moment("2026-03-01T07:00+01:00") == datetime(2026, 3, 1, 6, tzinfo=UTC)


@pytest.mark.parametrize("text", ["nonsense", "2026-13-45", "2026-02-30", ""])
def test_what_is_no_day_or_time_is_told_with_an_example(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=f"'{text}' is no day such as 2026-03-01"):
        commandline.day(text)
    with pytest.raises(argparse.ArgumentTypeError, match=f"'{text}' is no time such as 2026-03-01T07:00"):
        commandline.moment(text)
