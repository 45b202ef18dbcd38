"""The authorization_reference that a provider gave, for whoever compares what comes back in Session and CDR."""

from datetime import datetime
from typing import NamedTuple

from django.db import connection

from ocpi_hub.exchange.models import Grant
from ocpi_hub.protocol.types import PartyRef


class Use(NamedTuple):
    """A token that was used at an operator, until when, and the reference that came back."""

    token_owner: PartyRef
    token_uid: str
    operator: PartyRef
    before: datetime
    reference: str | None = None


class Given(NamedTuple):
    """What the provider had given when a token was used."""

    last: str | None = None
    later: bool = False  # whether it gave the reference that came back after that, by the hub's clock


def note(
    token_owner: PartyRef, token_uid: str, operator: PartyRef, reference: str | None, given_by: str
) -> None:
    """Write down a reference that a provider gave to an operator, with a command or by authorize."""
    if reference:
        Grant.objects.create(
            token_owner=token_owner.key,
            token_key=token_uid.upper(),
            operator=operator.key,
            reference=reference,
            given_by=given_by,
        )


def latest(token_owner: PartyRef, token_uid: str, operator: PartyRef, before: datetime) -> str | None:
    """The newest reference that the provider gave for this token to this operator until then; None without one."""
    return given([Use(token_owner, token_uid, operator, before)])[0].last


_GIVEN = """
WITH used AS (
    SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::text[])
        WITH ORDINALITY AS used(token_owner, token_key, operator, before, reference, number)
)
SELECT (SELECT reference FROM exchange_grant given
        WHERE given.token_owner = used.token_owner AND given.token_key = used.token_key
            AND given.operator = used.operator AND given.given_at <= used.before
        ORDER BY given.id DESC LIMIT 1),
    EXISTS (SELECT FROM exchange_grant given
        WHERE given.token_owner = used.token_owner AND given.token_key = used.token_key
            AND given.operator = used.operator AND given.given_at > used.before
            AND upper(given.reference) = upper(used.reference))
FROM used ORDER BY number
"""


def given(uses: list[Use]) -> list[Given]:
    """For each use what was given, with one query."""
    columns = [
        [use.token_owner.key for use in uses],
        [use.token_uid.upper() for use in uses],
        [use.operator.key for use in uses],
        [use.before for use in uses],
        [use.reference for use in uses],
    ]
    with connection.cursor() as cursor:
        cursor.execute(_GIVEN, columns)
        return [Given(*row) for row in cursor.fetchall()]
