"""A partner's Sender list, read page by page along its Link (transport_and_format.asciidoc, Pagination)."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from django.utils import timezone

from ocpi_hub.exchange.calls import causes, links, presence, transports
from ocpi_hub.exchange.calls.verdicts import Verdict, judge
from ocpi_hub.exchange.routing import hub_party
from ocpi_hub.partners.models import Endpoint, Party, Platform
from ocpi_hub.partners.secrets import UnreadableSecret
from ocpi_hub.protocol.brokenlists import objects_of
from ocpi_hub.protocol.client import Answer, CallFailed, PlatformClient
from ocpi_hub.protocol.envelope import format_time
from ocpi_hub.protocol.headers import MessageIDs, Routing

PAGE = 200  # objects we ask for; the partner gives fewer when it likes
LIST_LIMIT = 20_000_000  # bytes of one page
MOST_REPEATS = 20  # of a page whose list shrank while we read it

# What a partner that is called too often may ask us to wait before the next page.
UNTOLD_WAIT = timedelta(seconds=60)  # where it does not say how long
SHORTEST_WAIT = timedelta(seconds=1)
LONGEST_WAIT = timedelta(hours=1)


class PullFailed(Exception):
    """The list could not be read to its end; the text says where it stopped and why.

    `temporary` says that the same page may answer later. `cause` is the one of causes.py, where nothing that it was
    raised from tells it.
    """

    def __init__(self, text: str, *, temporary: bool = False, cause: str = "") -> None:
        super().__init__(text)
        self.temporary, self.cause = temporary, cause


class Later(PullFailed):
    """The pull goes on where it stands after so much time."""

    def __init__(self, text: str, wait: timedelta, *, cause: str = "") -> None:
        super().__init__(text, temporary=True, cause=cause)
        self.wait = wait


class CalledTooOften(Later):
    """The partner asks to be called later."""

    def __init__(self, text: str, wait: timedelta) -> None:
        super().__init__(text, wait, cause="rate_limited")

    def after(self, times: int) -> timedelta:
        """How long to wait when it has said so that many times before and gave no page in between.

        Twice as long each time, whatever it asks for: else one that says 0 would be called every second for a day.
        """
        return max(self.wait, min(SHORTEST_WAIT * 2 ** min(times, 30), LONGEST_WAIT))


class TurnOver(Later):
    """It has read for a while, and lists of others wait to be read."""


class OverBudget(Later):
    """The partner's own limit of requests a minute leaves none for a page now (turns.py)."""


class PlaceGone(Exception):
    """The page at which a pull was to go on is no page of the list any more."""


class Place(NamedTuple):
    """Where in a list a crawl stands."""

    url: str = ""  # of the next page; empty: the first one, or behind the last
    pages: int = 0  # read so far
    total: int | None = None  # objects in the list, as the last page said


BEGINNING = Place()


class Page(NamedTuple):
    documents: list[bytes]
    total: int | None
    following: str  # the URL of the next page; empty: it was the last


class PartnerList:
    """One crawl through the list of one module of one party; `take` is called for each request, before it."""

    def __init__(
        self,
        platform: Platform,
        module: str,
        party: Party,
        ids: MessageIDs,
        *,
        routed: bool = True,
        take: Callable[[Platform], object] = lambda platform: None,
    ) -> None:
        self.platform, self.module, self.party, self.ids, self.routed = platform, module, party, ids, routed
        self.take = take
        self.read = 0  # pages

    def pages(self, date_from: datetime | None, place: Place = BEGINNING) -> Iterator[Page]:
        """The pages from this place on. Raises PullFailed, and PlaceGone before the first of them."""
        try:
            client = transports.client_for(self.platform)
        except UnreadableSecret as error:
            raise PullFailed(f"our token for this partner: {error}") from error
        if place.url and not links.is_of(self.platform, place.url):
            raise PlaceGone
        url = place.url or self._first_url(date_from)
        visited: set[str] = set()
        total_before, self.read = place.total, place.pages
        repeats = 0
        while url:
            if url in visited:
                raise PullFailed(f"page {self.read + 1}: the Link leads back to a page that was read already")
            answer, documents = self._get(client, url, resuming=bool(place.url) and not visited)
            visited.add(url)
            total = _whole(answer.headers.get("X-Total-Count"))
            fallen = total_before - total if total_before is not None and total is not None else 0
            again = _lower(url, fallen) if fallen > 0 else None
            total_before = total if total is not None else total_before
            if again and again not in visited and repeats < MOST_REPEATS:
                # The list got shorter, so objects may have slipped over the edge of this page (PAG-13).
                repeats += 1
                url = again
                continue
            self.read += 1
            following, fault = self._following(url, answer)
            yield Page(documents, total_before, following)
            if fault:
                raise PullFailed(f"page {self.read}: {fault}")
            url = following

    def _documents(self, answer: Answer) -> list[bytes]:
        try:
            return answer.documents()
        except CallFailed as failure:
            raise PullFailed(f"page {self.read + 1}: {failure}") from failure

    def _following(self, url: str, answer: Answer) -> tuple[str, str]:
        """The URL of the next page, or what is wrong with its Link."""
        try:
            return links.next_page(self.platform, url, answer.headers.get("Link")), ""
        except links.NoPage as fault:
            return "", str(fault)

    def _first_url(self, date_from: datetime | None) -> str:
        endpoint = self.platform.endpoint(self.module, Endpoint.Role.SENDER) or ""
        parameters = {"limit": str(PAGE)}
        if date_from:
            parameters["date_from"] = format_time(date_from)
        return _with(endpoint, parameters)

    def _get(self, client: PlatformClient, url: str, *, resuming: bool) -> tuple[Answer, list[bytes]]:
        routing = Routing(to=self.party.ref, sender=hub_party()) if self.routed else None
        self.take(self.platform)
        transports.release_connection()
        try:
            answer = client.request("GET", url, ids=self.ids.child(), routing=routing, limit=LIST_LIMIT)
        except CallFailed as failure:
            presence.missed(self.platform.pk)
            raise PullFailed(f"page {self.read + 1}: {failure}", temporary=not failure.permanent) from failure
        broken = None if answer.ok else objects_of(answer)
        if answer.ok or broken is not None:
            presence.answered(self.platform.pk)
            return answer, self._documents(answer) if broken is None else broken
        result = judge(answer, timezone.now(), self.platform.token)
        text = f"page {self.read + 1}: {result.outcome}"
        if result.asks_to_slow_down:
            raise CalledTooOften(text, _within_bounds(result.retry_after))
        presence.missed(self.platform.pk)
        if resuming and result.verdict is Verdict.PERMANENT:
            raise PlaceGone
        temporary = result.verdict is Verdict.TEMPORARY
        raise PullFailed(text, temporary=temporary, cause=causes.of_answer(answer))


def _within_bounds(wait: timedelta | None) -> timedelta:
    return min(max(UNTOLD_WAIT if wait is None else wait, SHORTEST_WAIT), LONGEST_WAIT)


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else None


def _with(url: str, parameters: dict[str, str]) -> str:
    """The URL with these query parameters, besides those that it has."""
    parts = urlsplit(url)
    query = [(name, value) for name, value in parse_qsl(parts.query, True) if name not in parameters]
    return urlunsplit(parts._replace(query=urlencode([*query, *parameters.items()])))


def _lower(url: str, fallen: int) -> str | None:
    """The page again from so many objects earlier, where the URL has an offset."""
    offset = _whole(dict(parse_qsl(urlsplit(url).query)).get("offset"))
    return _with(url, {"offset": str(max(offset - fallen, 0))}) if offset else None
