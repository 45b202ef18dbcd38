"""What keeps a party from seeing an object, and its platform from getting it; explanation.py asks."""

from collections.abc import Iterator

from ocpi_hub.exchange.explaining.whynot import Facts
from ocpi_hub.exchange.objects.ownedobject import OwnedObject
from ocpi_hub.exchange.objects.reasons import Reason, minute
from ocpi_hub.partners.agreements import Standing
from ocpi_hub.partners.models import Party, Status


def rights(party: Party, row: OwnedObject, audiences: set[str]) -> Iterator[Reason]:
    """Why the party may not see it; `audiences` are those of all copies that there are."""
    if row.owner_key == party.key:
        return
    if row.audience not in ("", party.key):
        yield _for_another(row, audiences)
        return
    if not row.audience and not row.is_for(_roles(party), row.own_address.variant):
        yield _no_role(party, row)
    if row.routed:
        yield from _no_agreement(party, row)


def _for_another(row: OwnedObject, audiences: set[str]) -> Reason:
    others = ", ".join(sorted(audiences))
    if row.addressed:
        text = f"it is for {others} alone, whose token it names"
        do = f"correct it, if the token is not of {others}"
    else:
        text = f"what the hub has of it went to {others} directly, and to nobody else"
        do = "push it without OCPI-to, or to the hub, and it is for everybody"
    return Reason("audience", "it is for another party alone", text, row.owner_key, do, row)


def _no_role(party: Party, row: OwnedObject) -> Reason:
    roles = ", ".join(sorted(_roles(party))) or "no role"
    verb = "announces" if party.roles else "is invited in"
    text = f"{party} {verb} {roles}, and {row.module} are for {', '.join(row.audience_roles)}"
    if others := _others_at_platform(party, row):
        text += f"; its platform gets them for {', '.join(others)}"
    why = f"{row.module} are not for its roles"
    if "HUB" in _roles(party):
        return Reason("role", why, f"{text}; a hub gets what is for its clients", row=party)
    do = "announce such a role in its credentials, if it has one and was invited in it"
    return Reason("role", why, text, party.key, do, party)


def _roles(party: Party) -> set[str]:
    """Those that it announced; those that it is invited in while it has announced none."""
    return set(party.roles or party.invited_roles)


def _others_at_platform(party: Party, row: OwnedObject) -> list[str]:
    """The other parties of the platform that may see it."""
    return [
        other.key
        for other in party.platform.parties.exclude(pk=party.pk)
        if row.is_for(set(other.roles), row.own_address.variant)
        and Standing.between(row.owner_key, other.key, row.module).allowed
    ]


def _no_agreement(party: Party, row: OwnedObject) -> Iterator[Reason]:
    standing = Standing.between(row.owner_key, party.key, row.module)
    if standing.allowed:
        return
    text = f"{row.owner_key} and {party.key} exchange no {row.module}: {standing}"
    if standing.agreement and standing.agreement.note:
        text += f" ({standing.agreement.note})"
    pair = f"{row.owner_key.replace('*', '-')} {party.key.replace('*', '-')}"
    do = f"manage.py agree --between {pair} --module {row.module} --allow opens it"
    yield Reason("agreement", "they have no agreement", text, "you", do, standing.agreement)


def at_platform(party: Party, row: OwnedObject, facts: Facts) -> Iterator[Reason]:
    """What keeps the party's platform from getting anything, or anything of this module."""
    platform, key = party.platform, party.key
    if facts.owns:
        return
    if facts.status == Status.SUSPENDED:
        text = f"{platform} is suspended: nothing goes there"
        yield Reason(
            "status", "it is suspended", text, "you", "Start over with it, if it is to return", platform
        )
    elif not facts.registered:
        text = f"{platform} is {platform.get_status_display()}"
        do = "register with its token A; a lost one is replaced by Start over"
        yield Reason("status", "it has not registered", text, key, do, platform)
    elif facts.status == Status.OFFLINE:
        text = f"{platform} does not answer since {minute(platform.offline_since)}: {platform.probe_outcome}"
        yield Reason("status", "it is offline", text, key, "answer at its versions endpoint", platform)
    if facts.pull_only:
        text = f"{platform} is set to pull only: nothing is pushed to it"
        yield Reason("interface", "it is pull only", text, key, "GET the list, as agreed with it", platform)
    elif facts.registered and not facts.takes:
        text = f"{platform} listed no Receiver endpoint for {row.module} when it registered"
        do = "offer one, and PUT its credentials, so that the hub reads its endpoints again"
        yield Reason("interface", "it has no Receiver endpoint", text, key, do, platform)
