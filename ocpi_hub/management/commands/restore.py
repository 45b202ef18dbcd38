"""`manage.py restore FILE`."""

import tempfile
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from ocpi_hub import archive
from ocpi_hub.management.commands.backup import PROBLEMS


class Command(BaseCommand):
    help = "Brings back what `backup` wrote; stop the hub first."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--force", action="store_true", help="replace a database that has tables")
        parser.add_argument(
            "--ignore-keys", action="store_true", help="restore even if partners' tokens cannot be read"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with tempfile.TemporaryDirectory() as folder:
                found = archive.Archive(options["file"], Path(folder))
                with archive.running_database(alone=True):
                    self.restore(found, options)
        except PROBLEMS as problem:
            raise CommandError(str(problem)) from None

    def restore(self, found: archive.Archive, options: dict[str, Any]) -> None:
        found.examine()
        self.stdout.write(f"The archive is whole; it was made {found.about['made']}")
        missing = found.missing_keys()
        if missing and not found.brings_keys() and not options["ignore_keys"]:
            raise archive.ArchiveError(
                f"HUB_KEYS cannot read the tokens in this archive: {len(missing)} of its keys "
                f"({', '.join(missing)}) are missing. Set HUB_KEYS to the keys of that time, newest first"
            )
        if (tables := archive.table_count()) and not options["force"]:
            raise archive.ArchiveError(f"The database has {tables} tables already; --force replaces them")
        self.stdout.write("Loading the database")
        archive.load(found)
        if missing and found.brings_keys() and found.keys:
            archive.install_keys(found.keys)
            self.stdout.write(
                "The keys of the archive are in place; the old ones are keys.before-restore.json"
            )
        self.stdout.write("Migrating")
        call_command("migrate", interactive=False, verbosity=0, stdout=self.stdout)
        self.stdout.write(f"Restored from {options['file']}; the hub can start")
