"""What a complete list of its owner no longer has: marked, or deleted where owners may delete (P69, P110)."""

import logging

from django.db import transaction
from django.db.models import BooleanField, QuerySet
from django.db.models.expressions import RawSQL

from ocpi_hub.exchange import outbox, store
from ocpi_hub.exchange.models import Pull
from ocpi_hub.exchange.ownedobject import OwnedObject
from ocpi_hub.partners.models import Platform
from ocpi_hub.protocol.headers import MessageIDs

logger = logging.getLogger(__name__)


def note(
    model: type[OwnedObject],
    platform: Platform,
    pull: Pull,
    *,
    owners: set[str],
    seen: list[int],
    refused: set[str],
    ids: MessageIDs,
) -> None:
    """After a full pull. `seen` are the rows that were listed, `refused` the keys of what could not be taken.

    What came by a push since the pull began is not in its pages and stays; what an owner left behind on the
    platform that it was on before goes.
    """
    ours = model.objects.present().filter(owner_key__in=owners, audience="", changed_at__lt=pull.started_at)
    # One parameter: as one for each of a hundred thousand rows it would cost more memory than all else in a pull.
    unseen = RawSQL("id NOT IN (SELECT unnest(%s::bigint[]))", [seen], output_field=BooleanField())
    gone = ours.filter(unseen).exclude(key__in=refused)
    if model.deletable:
        for row_id in list(gone.values_list("pk", flat=True)):
            _delete(model, ours.filter(pk=row_id), platform, ids)
    else:
        gone.filter(missing_since=None).update(missing_since=pull.started_at)


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
