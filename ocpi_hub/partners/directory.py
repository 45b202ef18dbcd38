"""What a process remembers of partners, so that most requests and deliveries need not ask the database who is who.

PostgreSQL tells of every change of a platform, party, endpoint, token or agreement (NOTIFY, by triggers); a thread
listens, and everything is forgotten. Whether it hears is tried again and again: a connection that is gone, or a
pooler that swallows notifications, and nothing is remembered until it hears again.
"""

import logging
import threading
import time
import uuid
from collections.abc import Callable, Hashable
from typing import TypeVar

import psycopg
from django.db import connection, connections

from ocpi_hub.partners import alarms

logger = logging.getLogger(__name__)
T = TypeVar("T")

CHANNEL = "hub_partners"  # as the triggers have it (migrations/0006)
BEAT = 5.0  # seconds between two trials whether we hear
PATIENCE = 2.0  # seconds in which a trial must be heard
PAUSE = 2.0  # seconds before a lost connection is made again
LONGEST = 60.0  # seconds that anything is remembered at the most
MOST = 20_000  # entries


class Directory:
    """Remembers what it was told since the last change, while it hears of changes."""

    def __init__(self) -> None:
        self.hears = False
        self._missed = False  # whether the log says that it does not
        self._entries: dict[Hashable, object] = {}
        self._emptied_at = 0.0

    def get(self, key: Hashable, load: Callable[[], T | None]) -> T | None:
        """What is remembered under the key, else what load() finds. Treat it as read-only: it is for all threads.

        That there is nothing is not remembered.
        """
        if not self.hears:
            return load()
        if time.monotonic() - self._emptied_at > LONGEST:
            self.forget()
        entries = self._entries
        found = entries.get(key)
        if found is not None:
            return found  # type: ignore[return-value]  # what load() found under this key
        loaded = load()
        # After a change that came meanwhile these entries are nobody's any more.
        if loaded is not None and len(entries) < MOST:
            entries[key] = loaded
        return loaded

    def forget(self) -> None:
        self._entries = {}
        self._emptied_at = time.monotonic()

    def deafen(self) -> None:
        self.hears = False
        self.forget()

    # ------------------------------------------------------------------------------------------ the listener
    def start(self) -> None:
        """Listen, in a thread of this process."""
        threading.Thread(target=self._run, name="directory", daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                self.listen()
            except psycopg.Error as error:
                self._say_that_nothing_is_heard(error)
            except Exception:
                logger.exception("changes of partners are not heard of, every request asks anew")
            finally:
                self.deafen()
                connections.close_all()
            time.sleep(PAUSE)

    def listen(self, rounds: int | None = None) -> None:
        """Hear of changes, for so many beats or for good. Raises when nothing is heard any more."""
        parameters = {**connection.get_connection_params(), "autocommit": True}
        parameters.pop("pool", None)
        for name in ("cursor_factory", "context", "prepare_threshold"):
            parameters.pop(name, None)
        with psycopg.connect(**parameters) as listening:
            listening.execute(f"LISTEN {CHANNEL}")
            while rounds is None or rounds > 0:
                self._beat(listening)
                rounds = None if rounds is None else rounds - 1

    def _beat(self, listening: "psycopg.Connection[object]") -> None:
        """See whether we hear, and then what comes until the next beat."""
        word = uuid.uuid4().hex
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, word])
        connection.close()
        if not self._heard(listening, word, PATIENCE):
            raise psycopg.OperationalError("what the hub notifies itself of does not arrive")
        if not self.hears:
            self.forget()
            self.hears = True
            if self._missed:
                logger.info("changes of partners are heard of again")
            self._missed = False
        self._heard(listening, None, BEAT)

    def _say_that_nothing_is_heard(self, error: psycopg.Error) -> None:
        """Once: behind a pooler that swallows notifications it is so for good."""
        if not self._missed:
            logger.warning("changes of partners are not heard of, every request asks anew: %s", error)
            alarms.tell("hub.notifications", f"every request asks anew: {type(error).__name__}")
        self._missed = True

    def _heard(self, listening: "psycopg.Connection[object]", word: str | None, seconds: float) -> bool:
        """Whether the word came in this time; whatever else comes is a change."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            # All that arrive at once: whoever stopped at the word would never see those behind it.
            notices = [notice.payload for notice in listening.notifies(timeout=left, stop_after=1)]
            if "" in notices:
                self.forget()
            if word in notices:
                return True
        return False


directory = Directory()
