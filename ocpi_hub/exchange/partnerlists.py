"""A partner's Sender list, read page by page along its Link (transport_and_format.asciidoc, Pagination)."""

from collections.abc import Iterator
from datetime import datetime
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

from ocpi_hub.exchange import presence, transports
from ocpi_hub.exchange.routing import hub_party
from ocpi_hub.exchange.verdicts import describe
from ocpi_hub.partners.models import Endpoint, Party, Platform
from ocpi_hub.partners.secrets import UnreadableSecret
from ocpi_hub.protocol.client import Answer, CallFailed, PlatformClient
from ocpi_hub.protocol.envelope import format_time
from ocpi_hub.protocol.headers import MessageIDs, Routing, next_link

PAGE = 200  # objects we ask for; the partner gives fewer when it likes
LIST_LIMIT = 20_000_000  # bytes of one page
MOST_REPEATS = 20  # of a page whose list shrank while we read it


class PullFailed(Exception):
    """The list could not be read to its end; the text says where it stopped and why."""


class PartnerList:
    """One crawl through the list of one module of one party."""

    def __init__(
        self, platform: Platform, module: str, party: Party, ids: MessageIDs, *, routed: bool = True
    ) -> None:
        self.platform, self.module, self.party, self.ids, self.routed = platform, module, party, ids, routed
        self.read = 0  # pages

    def pages(self, date_from: datetime | None) -> Iterator[tuple[list[bytes], int | None]]:
        """The documents of each page and the list's total. Raises PullFailed."""
        try:
            client = transports.client_for(self.platform)
        except UnreadableSecret as error:
            raise PullFailed(f"our token for this partner: {error}") from error
        url: str | None = self._first_url(date_from)
        visited: set[str] = set()
        total_before: int | None = None
        repeats = 0
        while url is not None:
            if url in visited:
                raise PullFailed(f"page {self.read + 1}: the Link leads back to a page that was read already")
            visited.add(url)
            answer = self._get(client, url)
            total = _whole(answer.headers.get("X-Total-Count"))
            shrank = total_before is not None and total is not None and total < total_before
            again = _one_lower(url) if shrank else None
            total_before = total if total is not None else total_before
            if again and again not in visited and repeats < MOST_REPEATS:
                # The list got shorter, so an object may have slipped over the edge of this page (PAG-13).
                repeats += 1
                url = again
                continue
            documents = self._documents(answer)
            self.read += 1
            yield documents, total
            url = self._following(url, answer)

    def _documents(self, answer: Answer) -> list[bytes]:
        try:
            return answer.documents()
        except CallFailed as failure:
            raise PullFailed(f"page {self.read + 1}: {failure}") from failure

    def _following(self, url: str, answer: Answer) -> str | None:
        link = next_link(answer.headers.get("Link"))
        try:
            return urljoin(url, link) if link else None
        except ValueError as error:
            raise PullFailed(f"page {self.read}: its Link is no URL") from error

    def _first_url(self, date_from: datetime | None) -> str:
        endpoint = self.platform.endpoint(self.module, Endpoint.Role.SENDER) or ""
        parameters = {"limit": str(PAGE)}
        if date_from:
            parameters["date_from"] = format_time(date_from)
        return _with(endpoint, parameters)

    def _get(self, client: PlatformClient, url: str) -> Answer:
        routing = Routing(to=self.party.ref, sender=hub_party()) if self.routed else None
        transports.release_connection()
        try:
            answer = client.request("GET", url, ids=self.ids.child(), routing=routing, limit=LIST_LIMIT)
        except CallFailed as failure:
            presence.missed(self.platform.pk)
            raise PullFailed(f"page {self.read + 1}: {failure}") from failure
        if not answer.ok:
            presence.missed(self.platform.pk)
            raise PullFailed(f"page {self.read + 1}: {describe(answer, self.platform.token)}")
        presence.answered(self.platform.pk)
        return answer


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else None


def _with(url: str, parameters: dict[str, str]) -> str:
    """The URL with these query parameters, besides those that it has."""
    parts = urlsplit(url)
    query = [(name, value) for name, value in parse_qsl(parts.query, True) if name not in parameters]
    return urlunsplit(parts._replace(query=urlencode([*query, *parameters.items()])))


def _one_lower(url: str) -> str | None:
    """The page again with an offset one lower, where the URL has one."""
    offset = _whole(dict(parse_qsl(urlsplit(url).query)).get("offset"))
    return _with(url, {"offset": str(offset - 1)}) if offset else None
