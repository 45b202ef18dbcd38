"""What is to be sent: the request as it came in, or the state of the part, and where it goes."""

from typing import Any, NamedTuple
from urllib.parse import unquote

from ocpi_hub.exchange.models import Callback, Delivery
from ocpi_hub.exchange.objects import store
from ocpi_hub.exchange.objects.ownedobject import OwnedObject, owned_models
from ocpi_hub.exchange.routing import closed, hub_party, owner_in, reader_at
from ocpi_hub.partners.agreements import Terms
from ocpi_hub.partners.directory import directory
from ocpi_hub.partners.models import Endpoint, Platform
from ocpi_hub.protocol.client import join
from ocpi_hub.protocol.headers import Routing
from ocpi_hub.protocol.types import PartyRef


class Parcel(NamedTuple):
    """What is to be sent, read from the database before the HTTP begins."""

    delivery: Delivery
    model: (
        type[OwnedObject] | None
    )  # None: a result that goes to a response_url, or of a module that is switched off
    endpoint: str | None  # None: the partner no longer has the interface
    document: str | None = None  # the whole object, where its state is sent; None: it is gone
    deleted: bool = False  # its owner deleted it
    withdrawn: str = ""  # why it is not to be sent any more


def pack(platform: Platform, deliveries: list[Delivery]) -> list[Parcel]:
    """What a batch of deliveries needs: one look at the endpoints and one at the documents of each module.

    A change after this look is no loss: it has made a delivery of its own.
    """
    endpoints = directory.get(("receivers", platform.pk), lambda: _receivers(platform)) or {}
    results = [delivery.row_id for delivery in deliveries if delivery.module == Callback.MODULE]
    urls = dict(Callback.objects.filter(pk__in=results).values_list("pk", "response_url"))
    models = owned_models()
    documents = _documents([delivery for delivery in deliveries if not _as_it_came(delivery)])
    withdrawn = _withdrawn(platform, deliveries, models)
    return [
        _parcel(
            delivery, models, urls if delivery.module == Callback.MODULE else endpoints, documents
        )._replace(withdrawn=withdrawn.get(delivery.pk, ""))
        for delivery in deliveries
    ]


def _receivers(platform: Platform) -> dict[str, str]:
    """The URLs of its Receiver interfaces, by module."""
    return dict(platform.endpoints.filter(role=Endpoint.Role.RECEIVER).values_list("module", "url"))


def _withdrawn(
    platform: Platform, deliveries: list[Delivery], models: dict[str, type[OwnedObject]]
) -> dict[int, str]:
    """Why some of them are not to be sent any more: agreement or module are gone by which they were made out."""
    terms = Terms.of({delivery.to_party for delivery in deliveries})
    found = {}
    for delivery in deliveries:
        if delivery.module == Callback.MODULE:
            continue
        model, owner = models.get(delivery.module), owner_in(delivery.parent_key)
        if model is None:
            found[delivery.pk] = f"the hub does not exchange {delivery.module} any more (OCPI_MODULES)"
            continue
        if not model.routed or terms.allow(owner.key, delivery.to_party, delivery.module):
            continue
        if other := _other_reader(platform, delivery, model, owner.key):
            delivery.to_party = other
            Delivery.objects.filter(pk=delivery.pk).update(to_party=other)
        else:
            found[delivery.pk] = str(closed(owner, PartyRef.parse(delivery.to_party), delivery.module))
    return found


def _other_reader(platform: Platform, delivery: Delivery, model: type[OwnedObject], owner: str) -> str | None:
    """Another party of the platform that an object for everybody may go to."""
    if delivery.message.audience:
        return None
    receiver = reader_at(platform, model, delivery.variant, owner, Terms.of([owner]))
    return receiver.party if receiver else None


def _parcel(
    delivery: Delivery,
    models: dict[str, type[OwnedObject]],
    addresses: dict[Any, str],
    documents: dict[tuple[str, int], str | None],
) -> Parcel:
    if delivery.module == Callback.MODULE:
        return Parcel(delivery, None, addresses.get(delivery.row_id))
    mark = (delivery.module, delivery.row_id)
    return Parcel(
        delivery,
        models.get(delivery.module),
        addresses.get(delivery.module),
        documents.get(mark),
        deleted=mark in documents and documents[mark] is None,
    )


def _documents(deliveries: list[Delivery]) -> dict[tuple[str, int], str | None]:
    found: dict[tuple[str, int], str | None] = {}
    models = owned_models()
    for module in {delivery.module for delivery in deliveries} & set(models):
        rows = [delivery.row_id for delivery in deliveries if delivery.module == module]
        documents = store.documents(models[module], rows)
        found |= {(module, row_id): document for row_id, document in documents.items()}
    return found


def _as_it_came(delivery: Delivery) -> bool:
    if delivery.module == Callback.MODULE:
        return True
    return delivery.exact and delivery.tries == 0 and delivery.message.body is not None


def is_kept(delivery: Delivery) -> bool:
    """Whether it is tried until the partner has it: what never changes, such as a CDR, is never covered later."""
    model = owned_models().get(delivery.module)
    return bool(model and model.immutable)


def content_of(parcel: Parcel) -> tuple[str, bytes | None] | None:
    """Method and body: the request as it came in on the first try, the part's present state on later ones.

    None when there is nothing to send any more.
    """
    delivery = parcel.delivery
    if _as_it_came(delivery):
        return delivery.message.method, (delivery.message.body or "").encode()
    if parcel.deleted:
        return "DELETE", None
    if parcel.document is None or parcel.model is None:
        return None
    body = store.part_of(parcel.model, parcel.document, parts(delivery))
    return (parcel.model.push_method, body) if body is not None else None


def parts(delivery: Delivery) -> tuple[str, ...]:
    """The ids of the part below the object."""
    return segments(delivery)[3:]


def routing_of(parcel: Parcel) -> Routing | None:
    """To the party that gets it; from the hub, or from the party whose message goes to that one alone."""
    if parcel.model and not parcel.model.routed:
        return None
    sender = parcel.delivery.message.from_party
    return Routing(
        to=PartyRef.parse(parcel.delivery.to_party),
        sender=PartyRef.parse(sender) if sender else hub_party(),
    )


def segments(delivery: Delivery) -> tuple[str, ...]:
    return tuple(unquote(segment) for segment in delivery.path.split("/"))


def url_of(parcel: Parcel, method: str) -> str:
    """Where it goes: to the object below the endpoint; a POST to the endpoint itself, or the response_url."""
    endpoint = parcel.endpoint or ""
    if parcel.model is None or method == "POST":
        return endpoint
    return with_variant(parcel.model, join(endpoint, *segments(parcel.delivery)), parcel.delivery)


def with_variant(model: type[OwnedObject], url: str, delivery: Delivery) -> str:
    """The endpoint may have a query of its own, to which a Token's type is added."""
    if not delivery.variant or not model.variant_in_query:
        return url
    return f"{url}{'&' if '?' in url else '?'}{model.variant_field}={delivery.variant}"
