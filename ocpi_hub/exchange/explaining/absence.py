"""Why the hub has no such object: was it ever here, was it refused, does its owner exist."""

from collections.abc import Iterator
from datetime import datetime

from django.db.models import Q

from ocpi_hub.exchange.models import Message, Pull, RefusedObject
from ocpi_hub.exchange.objects.objectnames import Name
from ocpi_hub.exchange.objects.reasons import Reason, minute
from ocpi_hub.exchange.pulls import refusals
from ocpi_hub.partners import naming
from ocpi_hub.partners.models import Party, Status


def reasons(name: Name) -> Iterator[Reason]:
    """Of an object that the hub does not have."""
    try:
        owner = naming.party_named(name.address.owner.key)
    except ValueError as unknown:  # or the hub itself, which owns nothing
        yield Reason("owner", "its owner is unknown", str(unknown), "you", "look at the name, or invite it")
        yield from elsewhere(name)
        return
    came = [*refused(name), *once(name)]
    yield from came or [*pulled(owner, name), *only_counted(owner, name)]
    yield from of_owner(owner, name)
    yield from elsewhere(name)


def refused(name: Name, since: datetime | None = None) -> Iterator[Reason]:
    """What came under this name and could not be taken, since the hub took it last."""
    key = f"{name.address.owner}/{name.address.object_id}"
    # A pulled one may name no owner; a posted one says that it was (refusals.py).
    by_name = Q(object_key__iexact=key) | Q(object_key__iexact=f"{key}, posted")
    theirs = Q(platform__parties__key=name.address.owner.key, object_key__iexact=name.address.object_id)
    rows = RefusedObject.objects.filter(by_name | theirs, module=name.model.module).distinct()
    if since:
        rows = rows.filter(last_seen_at__gt=since)
    for row in rows[:3]:
        text = f"what came last, at {minute(row.last_seen_at)}, was refused: {row.reason}"
        do = "mend it; what a repair rule can mend is taken from the next pull on"
        yield Reason("object", "it was refused", text, name.address.owner.key, do, row)


def only_counted(owner: Party, name: Name) -> Iterator[Reason]:
    """That so many of the list are refused that this one may be, under no name."""
    rows = RefusedObject.objects.filter(platform=owner.platform, module=name.model.module)
    for row in rows.filter(object_key=refusals.BEYOND):
        text = f"so many of its list are refused that some are only counted, the last at {minute(row.last_seen_at)}"
        yield Reason("object", "it may have been refused", text, owner.key, "mend the list", row)


def once(name: Name) -> Iterator[Reason]:
    """Whether it was here."""
    seen = (
        Message.objects.filter(module=name.model.module, parent_key=name.address.key).order_by("-id").first()
    )
    if seen is None:
        return
    text = f"it was here: its last change came as {seen.method} at {minute(seen.created_at)}"
    yield Reason(
        "object", "it is gone", text, name.address.owner.key, "push it again, if it is to be here", seen
    )


def of_owner(owner: Party, name: Name) -> Iterator[Reason]:
    model, platform = name.model, owner.platform
    if model.owner_role not in owner.roles:
        announced = ", ".join(owner.roles) or "no role"
        text = f"{owner} announces {announced}, and {model.module} come from {model.owner_role}"
        yield Reason("owner", "its owner has none", text, "you", "look at the name", owner)
    if not platform.registered or platform.status != Status.CONNECTED:
        text = f"{platform}, its owner's platform, is {platform.get_status_display()}"
        yield Reason(
            "status", "its owner is not connected", text, owner.key, "connect, then push it", platform
        )


def elsewhere(name: Name) -> Iterator[Reason]:
    """The same id under another name."""
    model, address = name.model, name.address
    rows = model.objects.present().filter(key=address.object_id.upper())
    found = sorted({str(Name(model, row.own_address)) for row in rows[:5]})
    if found:
        yield Reason("object", "", f"this id is here as {', '.join(found)}", "you", "look at the name")


def pulled(owner: Party, name: Name) -> Iterator[Reason]:
    """When its owner's list was read last."""
    pulls = Pull.objects.filter(platform=owner.platform, module=name.model.module, party__iexact=owner.key)
    last = pulls.filter(full=True).order_by("-id").first() or pulls.order_by("-id").first()
    if last is None:
        text = f"no push of it from {owner} was taken, as far as is on record, and its list was never pulled"
        do = f"push it; or you: manage.py pull --platform {owner.platform_id} --module {name.model.module}"
        yield Reason("object", "it never came", text, owner.key, do, owner.platform)
        return
    how = f"{last}, {last.get_state_display()}"
    text = f"no push of it from {owner} was taken, and it was not in the list at {minute(last.started_at)} ({how})"
    do = "push it, or list it; a push that is refused is answered with what is wrong"
    yield Reason("object", "it never came", text, owner.key, do, last)
