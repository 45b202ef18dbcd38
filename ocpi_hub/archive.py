"""Backup and restore: one archive with the database and, of an embedded hub, its keys."""

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection

from ocpi_hub.embedded import EmbeddedError, PostgreSQL
from ocpi_hub.processes import kill_group
from ocpi_hub.supervisor import lock

FORMAT = 1
ABOUT, DATABASE, KEYS = "about.json", "database.dump", "keys.json"
LIBPQ = {"sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT", "sslcert": "PGSSLCERT", "sslkey": "PGSSLKEY"}


class ArchiveError(Exception):
    """Backup or restore cannot go on; the database is as it was."""


@contextmanager
def running_database(*, alone: bool) -> Iterator[None]:
    """An embedded database is started when the hub does not run; `alone` insists that it does not."""
    if settings.MISREAD_SETTINGS:
        raise ArchiveError(settings.MISREAD_SETTINGS[0])
    database = PostgreSQL(settings.HUB_VAR)
    if not settings.EMBEDDED_POSTGRESQL or (not alone and database.ready()):
        yield
        return
    with lock(settings.HUB_VAR):
        service = database.service()
        process = service.spawn()
        try:
            service.wait_ready(process, 120)
            yield
        finally:
            disconnect()
            kill_group(process, service.stop_signal)
            process.wait()


def disconnect() -> None:
    """Before the server goes; a pool's threads would try to come back to it."""
    database: Any = connection
    database.close()
    if database.settings_dict["OPTIONS"].get("pool"):
        database.close_pool()


def server_version() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('server_version_num')::int / 10000")
        return int(cursor.fetchone()[0])


def look_at_target(file: Path) -> None:
    """Before the database is asked for anything: whether the archive can be written there."""
    if file.exists():
        raise ArchiveError(f"{file} exists: name another file or remove it first")
    if not file.parent.is_dir():
        raise ArchiveError(f"there is no folder {file.parent}")
    if not os.access(file.parent, os.W_OK | os.X_OK):
        raise ArchiveError(f"the folder {file.parent} cannot be written to")


def write(file: Path) -> dict[str, Any]:
    """Dumps beside the target, which appears whole or not at all."""
    look_at_target(file)
    with tempfile.TemporaryDirectory(dir=file.resolve().parent, prefix=".backup-") as folder:
        dump = Path(folder) / DATABASE
        postgresql("pg_dump", "--format=custom", "--no-owner", "--no-privileges", "--file", str(dump))
        about = {
            "format": FORMAT,
            "made": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "postgresql": server_version(),
            "keys": [fingerprint(key) for key in settings.HUB_KEYS],
            "bytes": dump.stat().st_size,
        }
        draft = Path(folder) / "archive"
        with tarfile.open(draft, "x") as archive:
            _add(archive, ABOUT, json.dumps(about, indent=1).encode())
            if keys_are_ours():
                _add(archive, KEYS, (settings.HUB_VAR / KEYS).read_bytes())
            archive.add(dump, DATABASE)
        draft.chmod(0o600)
        draft.rename(file)
    return about


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o600
    archive.addfile(member, io.BytesIO(content))


class Archive:
    """An archive that was read; `examine` finds out whether its database is whole."""

    def __init__(self, file: Path, folder: Path) -> None:
        self.file, self.dump = file, folder / DATABASE
        if not file.exists():
            raise ArchiveError(f"there is no file {file}")
        try:
            with tarfile.open(file) as archive:
                self.about = json.loads(_content(archive, ABOUT))
                self.keys = json.loads(_content(archive, KEYS)) if KEYS in archive.getnames() else None
                self.dump.write_bytes(_content(archive, DATABASE))
        except (tarfile.TarError, KeyError, ValueError, EOFError) as error:
            raise ArchiveError(f"{file} is not a backup of a hub, or only a part of one") from error
        except OSError as error:
            raise ArchiveError(f"{file} cannot be read: {error.strerror or error}") from error
        if not isinstance(self.about, dict) or self.about.get("format") != FORMAT:
            raise ArchiveError(f"{file} has a format that this version of the hub does not know")
        if self.dump.stat().st_size != self.about["bytes"]:
            raise ArchiveError(f"{file} is damaged: its database has another size than when it was made")

    def examine(self) -> None:
        try:
            postgresql("pg_restore", "--list", str(self.dump))
        except ArchiveError as error:
            raise ArchiveError(f"{self.file} is damaged: {error}") from error

    def missing_keys(self) -> list[str]:
        """Fingerprints of keys that tokens in the archive may need and HUB_KEYS does not have."""
        present = {fingerprint(key) for key in settings.HUB_KEYS}
        return [key for key in self.about["keys"] if key not in present]

    def brings_keys(self) -> bool:
        return self.keys is not None and keys_are_ours()


def _content(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    if file is None:
        raise KeyError(name)
    return file.read()


def table_count() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'")
        return int(cursor.fetchone()[0])


def load(archive: Archive) -> None:
    """In place of what is there, which stays until the archive's database is in as a whole."""
    _execute("ALTER SCHEMA public RENAME TO before_restore", "CREATE SCHEMA public")
    try:
        database = connection.settings_dict["NAME"]
        options = ("--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges")
        postgresql("pg_restore", *options, "--dbname", database, str(archive.dump))
    except BaseException:
        _execute("DROP SCHEMA public CASCADE", "ALTER SCHEMA before_restore RENAME TO public")
        raise
    _execute("DROP SCHEMA before_restore CASCADE")


def _execute(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def install_keys(keys: dict[str, Any]) -> None:
    """The archive's keys take effect at the next start; the present ones are kept beside them."""
    file: Path = settings.HUB_VAR / KEYS
    if file.exists():
        file.replace(file.with_name("keys.before-restore.json"))
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as out:
        json.dump(keys, out, indent=1)


def keys_are_ours() -> bool:
    """Whether HUB_KEYS comes from the file that the hub made for itself."""
    file: Path = settings.HUB_VAR / KEYS
    return bool(
        settings.EMBEDDED_POSTGRESQL
        and file.exists()
        and json.loads(file.read_text())["HUB_KEYS"] == list(settings.HUB_KEYS)
    )


def fingerprint(key: str) -> str:
    """Names a key without telling it."""
    return hashlib.sha256(b"ocpi-hub: name of a key " + key.encode()).hexdigest()[:16]


def postgresql(tool: str, *arguments: str) -> None:
    program = find_tool(tool, server_version())
    environment = {**os.environ, **connection_environment()}
    done = subprocess.run(
        [program, *arguments], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False
    )
    if done.returncode:
        raise ArchiveError(f"{tool} failed: {done.stderr.decode(errors='replace').strip()}")


def connection_environment() -> dict[str, str]:
    """The password goes by the environment: arguments are for all users of a machine to read."""
    database = connection.settings_dict
    names = {
        "HOST": "PGHOST",
        "PORT": "PGPORT",
        "USER": "PGUSER",
        "PASSWORD": "PGPASSWORD",
        "NAME": "PGDATABASE",
    }
    wanted = {variable: str(database[name]) for name, variable in names.items() if database[name]}
    options = database["OPTIONS"]
    return wanted | {variable: str(options[name]) for name, variable in LIBPQ.items() if name in options}


def find_tool(tool: str, server: int) -> str:
    """From the path, else from the wheel; an older pg_dump refuses a newer server."""
    for program in (shutil.which(tool), wheel_tool(tool)):
        if program and tool_version(program) >= server:
            return program
    raise ArchiveError(f"No {tool} of PostgreSQL {server} or newer here: install postgresql-client-{server}")


def wheel_tool(tool: str) -> str | None:
    try:
        return str(PostgreSQL(settings.HUB_VAR).binaries() / tool)
    except EmbeddedError:
        return None


def tool_version(program: str) -> int:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    major = re.search(r"\(PostgreSQL\) (\d+)", said)
    return int(major[1]) if major else 0
