"""Runs one management command; what an operator can mend ends it with one line instead of a traceback.

Beside that what commands have in common: who gives them, and how they read days and times.
"""

import argparse
import os
import pwd
import re
import select
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime

import psycopg
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db import OperationalError, ProgrammingError

LONGEST_NAME, LONGEST_USER = 60, 32  # characters: together they fit into an audit row's 150
NOBODY_READS = 128 + signal.SIGPIPE  # the exit code that a shell expects of it
NOT_MIGRATED = psycopg.errors.UndefinedTable | psycopg.errors.UndefinedColumn


def run(argv: Sequence[str]) -> int:
    """The exit code of the command; whoever reads what it prints may have enough of it, as head has."""
    try:
        try:
            return execute(argv)
        finally:
            sys.stdout.flush()  # here and not when Python ends, where nobody could catch what it raises
    except BrokenPipeError:
        if not told_nobody():
            raise  # a connection of the hub's
        return NOBODY_READS


def told_nobody() -> bool:
    """Whether nobody reads the output any more; then it goes nowhere, so that Python's end says nothing of it."""
    unread = [stream for stream in (sys.stdout, sys.stderr) if has_no_reader(stream.fileno())]
    for stream in unread:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), stream.fileno())
    return bool(unread)


def has_no_reader(descriptor: int) -> bool:
    """Of the writing end of a pipe."""
    poll = select.poll()
    poll.register(descriptor, 0)
    return any(events & select.POLLERR for _, events in poll.poll(0))


def execute(argv: Sequence[str]) -> int:
    """With --traceback its failures are shown as they came."""
    try:
        without_pool()
        execute_from_command_line(list(argv))
    except (ImproperlyConfigured, OperationalError, ProgrammingError) as error:
        reason = told(error)
        if reason is None or "--traceback" in argv:
            raise
        sys.stderr.write(f"CommandError: {reason}\n")
        return 1
    return 0


def without_pool() -> None:
    """A command has one connection; a pool would keep trying in the background where no database answers."""
    settings.DATABASES["default"]["OPTIONS"].pop("pool", None)


def told(error: Exception) -> str | None:
    """What is wrong and who must act, in one line; None when only the traceback can tell."""
    if isinstance(error, ImproperlyConfigured):
        return str(error)
    if isinstance(error, OperationalError):
        return unreachable(error)
    if isinstance(error.__cause__, NOT_MIGRATED):
        return "The database is not migrated to this version of the hub: run manage.py migrate"
    return None


def unreachable(error: OperationalError) -> str | None:
    if getattr(error.__cause__, "sqlstate", None):
        return None  # It answered: a statement of ours failed.
    if settings.EMBEDDED_POSTGRESQL:
        return f"PostgreSQL of HUB_VAR={settings.HUB_VAR} does not run: start the hub with make run"
    database = settings.DATABASES["default"]
    place = f"{database['HOST'] or 'localhost'}:{database['PORT'] or 5432}"
    return f"PostgreSQL at {place} does not answer: {cause(str(error), database['USER'])}"


def cause(text: str, user: str) -> str:
    """The end of what libpq says, without the login that some of its sentences repeat."""
    said = (
        re.findall(r".*(?:failed|error|FATAL):\s+(.+)", text)
        or text.strip().splitlines()
        or ["no reason given"]
    )
    reason = str(said[-1]).strip().replace(f'"{user}"', "of DATABASE_URL")
    return reason[0].lower() + reason[1:]


# ---------------------------------------------------------------------------------------- who gives a command
def add_by(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--by",
        default="",
        metavar="NAME",
        help="who you are, for the audit; the system's user is noted beside it in any case",
    )


def acting(name: str = "") -> str:
    """Who acts, for the audit: the name that was given, and the user of the system, whom no option chooses."""
    user = f"{system_user()}, manage.py"
    name = name.strip()[:LONGEST_NAME]
    return f"{name} ({user})" if name else user


def system_user() -> str:
    """By the process, not by its environment; with whoever became that user by sudo."""
    number = os.getuid()
    try:
        user = pwd.getpwuid(number).pw_name
    except KeyError:  # in a container that nobody named its users in
        user = f"user {number}"
    before = os.environ.get("SUDO_USER", "")[:LONGEST_USER]
    return f"{user[:LONGEST_USER]}, sudo by {before}" if before else user[:LONGEST_USER]


# ------------------------------------------------------------------------------------------ days and times
def day(text: str) -> date:
    """The type of an argument."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day such as 2026-03-01") from None


def moment(text: str) -> datetime:
    """The type of an argument; UTC unless it says otherwise."""
    try:
        at = datetime.fromisoformat(text)
        return at if at.tzinfo else at.replace(tzinfo=UTC)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time such as 2026-03-01T07:00") from None
