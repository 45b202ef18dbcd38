"""The authorization_reference that a provider gave, for whoever compares what comes back in Session and CDR."""

from datetime import datetime

from ocpi_hub.exchange.models import Grant
from ocpi_hub.protocol.types import PartyRef


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
    given = Grant.objects.filter(
        token_owner=token_owner.key, token_key=token_uid.upper(), operator=operator.key, given_at__lte=before
    )
    found: str | None = given.values_list("reference", flat=True).first()
    return found
