"""The authorization_reference that a provider gave, for whoever compares what comes back in Session and CDR."""

from datetime import datetime
from typing import NamedTuple

from django.db import connection

from ocpi_hub.exchange.models import Grant
from ocpi_hub.protocol.types import PartyRef


class Use(NamedTuple):
    """A token that was used at an operator, and until when."""

    token_owner: PartyRef
    token_uid: str
    operator: PartyRef
    before: datetime


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
    return latest_many([Use(token_owner, token_uid, operator, before)])[0]


_LATEST = """
SELECT used.number, given.reference
FROM unnest(%s::text[], %s::text[], %s::text[], %s::timestamptz[])
    WITH ORDINALITY AS used(token_owner, token_key, operator, before, number)
CROSS JOIN LATERAL (
    SELECT reference FROM exchange_grant given
    WHERE given.token_owner = used.token_owner AND given.token_key = used.token_key
        AND given.operator = used.operator AND given.given_at <= used.before
    ORDER BY given.id DESC LIMIT 1
) AS given
"""


def latest_many(uses: list[Use]) -> list[str | None]:
    """The same for several uses, in their order, with one query."""
    columns = [
        [use.token_owner.key for use in uses],
        [use.token_uid.upper() for use in uses],
        [use.operator.key for use in uses],
        [use.before for use in uses],
    ]
    with connection.cursor() as cursor:
        cursor.execute(_LATEST, columns)
        found = dict(cursor.fetchall())
    return [found.get(number) for number in range(1, len(uses) + 1)]


def withdraw(
    token_owner: PartyRef, token_uid: str, operator: PartyRef, reference: str, given_by: str
) -> None:
    """Forget the reference that went last with such a request: its operator never took it."""
    given = Grant.objects.filter(
        token_owner=token_owner.key, token_key=token_uid.upper(), operator=operator.key, given_by=given_by
    )
    if last := given.filter(reference=reference).first():
        last.delete()
