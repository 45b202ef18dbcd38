"""Runs one management command; what an operator can mend ends it with one line instead of a traceback."""

import re
import sys
from collections.abc import Sequence

import psycopg
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db import OperationalError, ProgrammingError

NOT_MIGRATED = psycopg.errors.UndefinedTable | psycopg.errors.UndefinedColumn


def run(argv: Sequence[str]) -> int:
    """The exit code of the command; with --traceback its failures are shown as they came."""
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
