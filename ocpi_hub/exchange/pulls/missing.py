"""What a complete list of its owner no longer has (P69, P110).

It is marked as missing. What an owner may delete is deleted; of what it may not, such as a Location, the hub says
after so many full pulls that nobody knows its status, and then that it is gone, where the plan of the pulls says
so (pullplans.py) and the module has something to say (OwnedObject.gone). A list with hardly anything of what was
there is not believed: its owner's server is at fault more often than its network is gone.
"""

import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from ocpi_hub.exchange.messages import outbox
from ocpi_hub.exchange.models import Listed, Pull, PullPlan
from ocpi_hub.exchange.objects import store
from ocpi_hub.exchange.objects.ownedobject import OwnedObject, Vanished
from ocpi_hub.exchange.objects.upserts import Stored
from ocpi_hub.exchange.objects.vanishing import Policy, later_than_ours
from ocpi_hub.exchange.pulls import crawls, pullfailures
from ocpi_hub.exchange.pulls.pulledobjects import UNNAMED
from ocpi_hub.partners.models import Platform
from ocpi_hub.protocol.codec import parse
from ocpi_hub.protocol.envelope import format_time
from ocpi_hub.protocol.headers import MessageIDs

logger = logging.getLogger(__name__)

COUNTED_EVERY = timedelta(hours=12)  # full pulls in quick succession count as one for what vanished
AT_ONCE = 100  # objects changed before the pull says that it lives


def policy_of(platform: Platform, module: str) -> Policy:
    plan = PullPlan.objects.filter(platform=platform, module=module).first()
    return Policy(plan.unknown_after, plan.removed_after, plan.believes_next) if plan else Policy()


def reconcile(model: type[OwnedObject], platform: Platform, pull: Pull, ids: MessageIDs) -> None:
    """After the last page of a full pull. It may run twice: whoever goes on with the pull ends it.

    What came by a push since the pull began is not in its pages and stays; what an owner left behind on the
    platform that it was on before goes. Raises crawls.TakenOver.
    """
    policy = policy_of(platform, model.module)
    believed = [
        owner for owner in sorted({*pull.owners, pull.party}) if _is_believed(model, pull, owner, policy)
    ]
    gone = _gone(model, pull, believed)
    pull.missing = max(pull.missing, gone.count())  # what an earlier try deleted counts
    if model.deletable:
        for row_id in _each(gone, pull):
            _delete(model, _before(model, pull, believed).filter(pk=row_id), platform, ids)
    else:
        _count(gone, pull)
        for vanished, due in _due(gone, policy) if model.says_what_is_gone() else ():
            for row_id in _each(due, pull):
                _say(model, due.filter(pk=row_id), vanished, platform, pull, ids)
    if policy.believes:
        PullPlan.objects.filter(platform=platform, module=model.module).update(believes_next=False)


def _before(model: type[OwnedObject], pull: Pull, owners: list[str]) -> QuerySet[OwnedObject]:
    """What these owners had before the pull began and nobody changed since."""
    rows: QuerySet[OwnedObject] = model.objects.present()
    return rows.filter(owner_key__in=owners, audience="", changed_at__lt=pull.started_at)


def _gone(model: type[OwnedObject], pull: Pull, owners: list[str]) -> QuerySet[OwnedObject]:
    """What was not listed, nor among what could not be taken."""
    listed = Listed.objects.filter(pull=pull, row_id=OuterRef("pk"))
    return _before(model, pull, owners).filter(~Exists(listed)).exclude(key__in=pull.refused_keys)


def _each(rows: QuerySet[OwnedObject], pull: Pull) -> Iterator[int]:
    """The rows' ids; whoever goes through them keeps the pull."""
    for number, row_id in enumerate(list(rows.order_by("id").values_list("pk", flat=True))):
        if number % AT_ONCE == 0:
            with transaction.atomic():
                crawls.keep(pull)
        yield row_id


# --------------------------------------------------------------------------------------- is the list to believe
class Count(NamedTuple):
    """An owner's objects before a full pull, as far as they were not missing, and those in it."""

    before: int
    listed: int


def _is_believed(model: type[OwnedObject], pull: Pull, owner: str, policy: Policy) -> bool:
    doubt = "" if policy.believes else _doubt(model, pull, owner)
    if not doubt:
        return True
    text = (
        f"{doubt}: nothing of it counts as vanished, in case its server is at fault. If the list is right, let the"
        " hub believe the next full pull."
    )
    if text not in pull.note:
        pull.note = f"{pull.note} {text}".strip()
        logger.warning("%s: %s", pull, text)
        pullfailures.not_believed(pull, owner, text)
    return False


def _doubt(model: type[OwnedObject], pull: Pull, owner: str) -> str:
    """Why the list may lack more than what its owner took away; empty when nothing speaks against it."""
    if pull.total is not None and pull.received < pull.total:
        return f"{owner} listed {pull.received} {model.module} and told of {pull.total} (X-Total-Count)"
    different = _different(pull)
    if pull.total is not None and different < pull.total:
        return (
            f"{owner} listed {different} different {model.module} on {pull.pages} pages, some twice, and told of"
            f" {pull.total} (X-Total-Count)"
        )
    if UNNAMED in pull.refused_keys:
        return f"{owner} listed {model.module} whose id cannot be read, and any of those that seem to lack may be one"
    count = _counted(model, pull, owner)
    if count.listed * 100 < count.before * settings.HUB_PULL_LEAST:
        return f"{owner} listed {count.listed} of the {count.before} {model.module} that were there"
    return ""


def _different(pull: Pull) -> int:
    """Objects in the list, each once: where its pages overlap others fall between them. One page has no edges."""
    if pull.pages < 2:
        return pull.received
    return min(pull.received, Listed.objects.filter(pull=pull).count() + pull.refused)


def _counted(model: type[OwnedObject], pull: Pull, owner: str) -> Count:
    lost = _gone(model, pull, [owner]).filter(missing_since=None).count()
    table = connection.ops.quote_name(model._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), count(*) FILTER (WHERE created_at < %s)"  # noqa: S608
            f" FROM exchange_listed JOIN {table} ON {table}.id = row_id WHERE pull_id = %s AND owner_key = %s",
            [pull.started_at, pull.pk, owner],
        )
        listed, older = cursor.fetchone()
    refused = len(pull.refused_keys)
    return Count(before=older + lost, listed=listed + refused)


# ------------------------------------------------------------------------------------------- what follows
def _count(gone: QuerySet[OwnedObject], pull: Pull) -> None:
    """One more full pull that did not list them; once for each pull, and not for each of several in a row."""
    with transaction.atomic():
        if not pull.counted and not _counted_lately(pull):
            gone.exclude(missing_since=None).update(missed_pulls=F("missed_pulls") + 1)
            pull.counted = True
        gone.filter(missing_since=None).update(missing_since=pull.started_at, missed_pulls=1)
        crawls.keep(pull)


def _counted_lately(pull: Pull) -> bool:
    others = Pull.objects.filter(platform=pull.platform, module=pull.module, party=pull.party, counted=True)
    return others.exclude(pk=pull.pk).filter(started_at__gt=pull.started_at - COUNTED_EVERY).exists()


def _due(gone: QuerySet[OwnedObject], policy: Policy) -> Iterator[tuple[Vanished, QuerySet[OwnedObject]]]:
    """What is to be said of which objects, and is not said already."""
    removed = Q(missed_pulls__gte=policy.removed_after) if policy.removed_after else None
    if removed:
        yield Vanished.REMOVED, gone.filter(removed).exclude(vanished=Vanished.REMOVED)
    if policy.unknown_after:
        unknown = gone.filter(missed_pulls__gte=policy.unknown_after, vanished=Vanished.NOT)
        yield Vanished.UNKNOWN, unknown.exclude(removed) if removed else unknown


def _say(
    model: type[OwnedObject],
    found: QuerySet[OwnedObject],
    vanished: Vanished,
    platform: Platform,
    pull: Pull,
    ids: MessageIDs,
) -> None:
    """Say it to everybody, unless its owner pushed the object a moment ago."""
    with transaction.atomic():
        row = found.select_for_update().first()
        if row is None:
            return
        document: dict[str, Any] = parse(row.document.encode())
        moment = format_time(later_than_ours(row, pull.started_at))
        if not model.gone(document, vanished, moment):
            model.objects.filter(pk=row.pk).update(vanished=vanished)
            return
        document["last_updated"] = moment
        store.say(model, row, document, vanished)
        outbox.publish(model, row.own_address, Stored(row.pk, created=False), platform, ids, bulk=True)
    logger.info("%s/%s is called %s: its owner no longer lists it", model.module, row, vanished)


def _delete(
    model: type[OwnedObject], found: QuerySet[OwnedObject], platform: Platform, ids: MessageIDs
) -> None:
    """Delete it and tell the receivers, unless it was pushed a moment ago."""
    with transaction.atomic():
        row = found.select_for_update().first()
        if row is None:
            return
        deleted = store.delete(model, row.own_address, platform)
        outbox.publish(model, row.own_address, deleted, platform, ids, method="DELETE", bulk=True)
    logger.info("%s/%s is deleted: its owner no longer lists it", model.module, row)
