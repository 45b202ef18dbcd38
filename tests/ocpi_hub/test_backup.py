import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection

from ocpi_hub import archive

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.journey]


def run(command: str, *arguments: Any) -> str:
    out = io.StringIO()
    call_command(command, *map(str, arguments), stdout=out)
    return out.getvalue()


def names() -> list[str]:
    return sorted(User.objects.values_list("username", flat=True))


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    User.objects.create(username="kept")
    run("backup", tmp_path / "hub.tar")
    User.objects.create(username="later")
    return tmp_path / "hub.tar"


def test_a_backup_is_for_its_owner_only_and_never_replaces_a_file(backup: Path) -> None:
    content = backup.read_bytes()

    with pytest.raises(CommandError, match="exists"):
        run("backup", backup)

    assert backup.read_bytes() == content
    assert backup.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in backup.parent.iterdir()] == ["hub.tar"]
    with tarfile.open(backup) as found:
        # The keys came from the environment, so they are not the hub's to give away.
        assert found.getnames() == ["about.json", "database.dump"]


def test_restore_brings_back_what_was_there(backup: Path) -> None:
    said = run("restore", backup, "--force")

    assert names() == ["kept"]
    assert [line.split(" ")[0] for line in said.splitlines()] == ["The", "Loading", "Migrating", "Restored"]

    # What was restored can be backed up and restored in its turn.
    run("backup", backup.with_name("second.tar"))
    run("restore", backup.with_name("second.tar"), "--force")

    assert names() == ["kept"]


def test_a_database_that_has_tables_is_not_replaced_without_force(backup: Path) -> None:
    with pytest.raises(CommandError, match="tables already; --force replaces them"):
        run("restore", backup)

    assert names() == ["kept", "later"]


def test_a_damaged_archive_changes_nothing(backup: Path) -> None:
    whole = backup.read_bytes()

    for content in (b"", b"no archive", whole[:3000], whole.replace(b"PGDMP", b"DAMPF")):
        backup.write_bytes(content)
        with pytest.raises(CommandError):
            run("restore", backup, "--force")

    assert names() == ["kept", "later"]


@pytest.mark.parametrize("content", [b"{}", b"", b"[" * 5000], ids=["JSON", "nothing", "text"])
def test_a_file_that_is_no_backup_is_told_in_one_line(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "bad.json"
    file.write_bytes(content)

    with pytest.raises(CommandError) as refused:
        run("restore", file)

    assert str(refused.value) == f"{file} is not a backup of a hub, or only a part of one"


def test_a_backup_that_is_not_there_or_a_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=f"^there is no file {tmp_path}/none$"):
        run("restore", tmp_path / "none")
    with pytest.raises(CommandError, match=f"^{tmp_path} cannot be read: Is a directory$"):
        run("restore", tmp_path)


def test_a_backup_into_a_folder_that_is_not_there_names_it(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=f"^there is no folder {tmp_path}/none$"):
        run("backup", tmp_path / "none" / "hub.tar")


def test_a_target_that_cannot_be_is_refused_before_the_dump(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "running_database", lambda **_: pytest.fail("the database was asked for"))
    (tmp_path / "hub.tar").touch()

    with pytest.raises(CommandError, match="exists"):
        run("backup", tmp_path / "hub.tar")
    with pytest.raises(CommandError, match="there is no folder"):
        run("backup", tmp_path / "none" / "hub.tar")


def test_neither_starts_on_settings_that_cannot_be_read(tmp_path: Path, settings: Any) -> None:
    settings.MISREAD_SETTINGS = ["DATABASE_URL does not begin with postgresql:// or postgres://"]

    with pytest.raises(CommandError, match=r"^DATABASE_URL does not begin with"):
        run("backup", tmp_path / "hub.tar")


def test_a_restore_that_fails_halfway_leaves_the_old_database(
    backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine = archive.postgresql

    def failing(tool: str, *arguments: str) -> None:
        if "--list" in arguments:
            return genuine(tool, *arguments)
        genuine(tool, *arguments)
        raise archive.ArchiveError("the disk is full")

    monkeypatch.setattr(archive, "postgresql", failing)

    with pytest.raises(CommandError, match="the disk is full"):
        run("restore", backup, "--force")

    assert names() == ["kept", "later"]


def test_other_keys_are_refused_by_name_unless_they_are_ignored(backup: Path, settings: Any) -> None:
    missing = archive.fingerprint(settings.HUB_KEYS[0])
    settings.HUB_KEYS = ["b25seS1mb3ItbWFrZS1jaGVjay1vbmx5LWZvci1tYWs="]

    with pytest.raises(CommandError, match=f"HUB_KEYS cannot read .*{missing}"):
        run("restore", backup, "--force")

    assert names() == ["kept", "later"]

    run("restore", backup, "--force", "--ignore-keys")

    assert names() == ["kept"]


def test_the_keys_of_an_embedded_hub_travel_with_its_database(tmp_path: Path, settings: Any) -> None:
    old, new = {"SECRET_KEY": "s", "HUB_KEYS": ["old"]}, {"SECRET_KEY": "t", "HUB_KEYS": ["new"]}
    settings.HUB_VAR, settings.HUB_KEYS = tmp_path, old["HUB_KEYS"]
    (tmp_path / "keys.json").write_text(json.dumps(old))
    settings.EMBEDDED_POSTGRESQL = True

    archive.write(tmp_path / "hub.tar")
    (tmp_path / "keys.json").write_text(json.dumps(new))
    settings.HUB_KEYS = new["HUB_KEYS"]
    found = archive.Archive(tmp_path / "hub.tar", tmp_path)

    assert found.missing_keys() == [archive.fingerprint("old")]
    assert found.brings_keys()

    archive.install_keys(found.keys or {})

    assert json.loads((tmp_path / "keys.json").read_text()) == old
    assert (tmp_path / "keys.json").stat().st_mode & 0o777 == 0o600
    assert json.loads((tmp_path / "keys.before-restore.json").read_text()) == new


def test_a_pg_dump_that_is_too_old_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "wheel_tool", lambda tool: None)
    monkeypatch.setattr(archive, "tool_version", lambda program: 15)

    with pytest.raises(archive.ArchiveError, match="No pg_dump of PostgreSQL 18 or newer here"):
        archive.find_tool("pg_dump", 18)


def test_the_password_is_not_an_argument() -> None:
    assert archive.connection_environment()["PGDATABASE"] == connection.settings_dict["NAME"]
    assert archive.connection_environment()["PGUSER"] == connection.settings_dict["USER"]
