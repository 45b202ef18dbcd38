"""`manage.py backup FILE`."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ocpi_hub import archive
from ocpi_hub.embedded import EmbeddedError
from ocpi_hub.processes import NotReady
from ocpi_hub.supervisor import AlreadyRunning

PROBLEMS = (archive.ArchiveError, EmbeddedError, NotReady, AlreadyRunning, OSError)


class Command(BaseCommand):
    help = (
        "Writes the database, and the keys that an embedded hub made for itself, into one file (mode 0600)."
    )
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        file: Path = options["file"]
        try:
            archive.look_at_target(file)
            with archive.running_database(alone=False):
                self.stdout.write("Dumping the database")
                about = archive.write(file)
        except PROBLEMS as problem:
            raise CommandError(str(problem)) from None
        self.stdout.write(f"{file}: {about['bytes']} bytes of database, made {about['made']}")
        if archive.keys_are_ours():
            self.stdout.write("It holds the keys too: whoever has the file can read the partners' tokens")
        else:
            self.stdout.write(
                "It does not hold HUB_KEYS and SECRET_KEY: keep those apart, a restore needs them"
            )
