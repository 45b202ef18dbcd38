"""Pulls of what the hub has for a platform, and the watch over whether it has something else than we."""

from collections.abc import Iterator
from datetime import timedelta
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Any

from simulator import ocpi
from simulator.hub import Page, Unreachable, pages, with_query
from simulator.objects import Objects

if TYPE_CHECKING:
    from simulator.platforms import Platform

OLDEST = timedelta(days=30)  # of a list that wants a date_from


class Pull:
    """One module's objects from the hub's Sender interface."""

    def __init__(self, platform: "Platform", objects: Objects) -> None:
        self.platform, self.objects, self.module = platform, objects, objects.module
        self.lock = Lock()
        self.progress = began()

    @property
    def possible(self) -> bool:
        return self.platform.registration.endpoint(self.module.name, "SENDER") is not None

    @property
    def finished(self) -> bool:
        return self.progress["finished_at"] is not None

    def run(self) -> int:
        """Everything that the hub has for us; what it no longer has may be forgotten (PAG-14)."""
        with self.lock:
            seen: set[str] = set()
            start = monotonic()
            progress = self.progress = {**began(), "running": True}
            try:
                for page in self.pages():
                    seen.update(self.objects.put_newer(raw) for raw in page.objects)
                    progress.update(received=len(seen), total=page.total)
                if not self.module.lasting:
                    self.objects.drop_others(seen, start)
                progress["finished_at"] = ocpi.format_time(ocpi.now())
            finally:
                progress["running"] = False
            return len(seen)

    def offered(self) -> int | None:
        """How many objects the hub has for us, by the head of a page of one."""
        for page in self.pages(limit=1):
            return page.total
        return None

    def pages(self, **query: Any) -> Iterator[Page]:
        platform, name = self.platform, self.module.name
        endpoint = platform.registration.endpoint(name, "SENDER")
        if endpoint is None:
            raise Unreachable(f"The hub has no {name} SENDER, or we are not registered")
        if self.module.dated:
            query["date_from"] = ocpi.format_time((ocpi.now() - OLDEST).replace(microsecond=0))
        return pages(
            platform.client,
            with_query(endpoint, **query),
            platform.registration.token,
            platform.registration.hub_party,
            platform.settings.parties[0],
        )


def began() -> dict[str, Any]:
    return {"running": False, "finished_at": None, "received": 0, "total": None}


class Watch:
    """Looks now and then whether the hub has another number of objects than we, and then pulls them all.

    While the hub's number still moves it is being filled, and a pull would have to be repeated. The modules
    that a platform can do without are pulled once: after that, pushes bring them.
    """

    def __init__(self, platform: "Platform") -> None:
        self.platform = platform
        self.last: int | None = None

    def look(self) -> None:
        if not self.platform.registration.registered:
            return
        first, *others = self.platform.pulls.values()
        self.look_at(first)
        for pull in others:
            if pull.possible and not pull.finished:
                self.platform.attempt(f"Pull of {pull.module.name}", pull.run)

    def look_at(self, pull: Pull) -> None:
        if not pull.finished:
            self.platform.attempt("Pull", pull.run)
            return
        offered = self.platform.attempt("Count", pull.offered)
        if offered is not None and offered == self.last and offered != len(pull.objects):
            self.platform.attempt("Pull", pull.run)
        self.last = offered
