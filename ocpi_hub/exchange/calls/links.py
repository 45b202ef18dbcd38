"""Where the next page of a partner's list is: at a server that it has announced, for our token goes along (PAG-04)."""

from urllib.parse import quote, urljoin, urlsplit, urlunsplit

from ocpi_hub.partners.models import Platform
from ocpi_hub.protocol.client import same_origin
from ocpi_hub.protocol.headers import next_link

PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))


class NoPage(Exception):
    """The Link cannot be followed; the text says why."""


def next_page(platform: Platform, asked: str, header: str | None) -> str:
    """The URL that a Link header leads to from the page that was asked for; empty when there is none.

    Raises NoPage. A partner behind a proxy that ends its TLS often names itself by http: it is meant, and is
    asked by https as before.
    """
    link = next_link(header)
    if not link:
        if "next" in (header or "").lower():
            # The list goes on: whoever took this page for its last would miss the rest.
            raise NoPage("its Link cannot be read")
        return ""
    try:
        # What the partner has sent no header of ours could carry as it stands.
        url = _as_safe_as(asked, quote(urljoin(asked, link), safe=PRINTABLE))
    except ValueError as error:
        raise NoPage("its Link is no URL") from error
    if not is_of(platform, url, asked):
        raise NoPage(_why_not(url))
    return url


def _why_not(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return "its Link leads to no server: it is neither http nor https"
    if "@" in parts.netloc:
        return "its Link has a user or a password in it, and the hub sends none"
    return f"its Link leads to {parts.netloc[:100]}, which is no server that the partner has announced"


def is_of(platform: Platform, url: str, asked: str = "") -> bool:
    """Whether our token for the partner may go there: where it was asked before, or to one of its endpoints."""
    if asked and same_origin(url, asked):
        return True
    announced = [platform.versions_url, *platform.endpoints.values_list("url", flat=True)]
    return any(same_origin(url, known) for known in announced if known)


def _as_safe_as(asked: str, url: str) -> str:
    """The same host by http, on whatever port, stands for the https of the page before."""
    before, after = urlsplit(asked), urlsplit(url)
    if before.scheme == "https" and after.scheme == "http" and before.hostname == after.hostname:
        return urlunsplit(after._replace(scheme=before.scheme, netloc=before.netloc))
    return url
