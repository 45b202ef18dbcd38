"""Where a receiver says that it keeps what was posted to it (mod_cdrs.asciidoc; interpretations, P91)."""

from urllib.parse import urljoin

from django.db import connection

from ocpi_hub.exchange.objects.ownedobject import OwnedObject, owned_models
from ocpi_hub.protocol.client import Answer, join, same_origin
from ocpi_hub.protocol.codec import InvalidObject, MalformedJSON, parse

LONGEST_URL = 2_000  # that a receiver may give


def url_in(found: Answer) -> str:
    """What the answer to a POST says: its Location header, else a URL in its body; empty when neither does."""
    header = str(found.headers.get("Location", "")).strip()
    url = header or _url_of(found.data)
    return url if len(url) <= LONGEST_URL and url.isprintable() else ""


def _url_of(data: bytes) -> str:
    try:
        value = parse(data)
    except (InvalidObject, MalformedJSON):
        return ""
    return (
        value.strip() if isinstance(value, str) and value.lower().startswith(("http://", "https://")) else ""
    )


def at_its_endpoint(endpoint: str, url: str) -> str:
    """The absolute URL, which may be relative to where the POST went; empty when it is none or leads elsewhere.

    Our token is sent along, so it is called at the receiver's own server only.
    """
    try:
        absolute = urljoin(endpoint, url) if url else ""
    except ValueError:
        return ""
    return absolute if same_origin(absolute, endpoint) else ""


def url_of(row: OwnedObject, endpoint: str) -> str:
    """Where the receiver has this object; empty when it has to say so and has not."""
    if row.receiver_url_field:
        return at_its_endpoint(endpoint, getattr(row, row.receiver_url_field))
    return join(endpoint, *row.own_address.segments)


def note(given: list[tuple[str, int, str]]) -> None:
    """Keep them with their objects, of modules that have a column for it: (module, row id, URL)."""
    models = owned_models()
    for module in sorted({module for module, _, _ in given}):
        model = models.get(module)
        if model and model.receiver_url_field:
            _note(model, {row_id: url for of, row_id, url in given if of == module})


def _note(model: type[OwnedObject], urls: dict[int, str]) -> None:
    quote = connection.ops.quote_name
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {quote(model._meta.db_table)} kept SET {quote(model.receiver_url_field)} = given.url"  # noqa: S608
            " FROM unnest(%s::bigint[], %s::text[]) AS given(id, url) WHERE kept.id = given.id",
            [list(urls), list(urls.values())],
        )
