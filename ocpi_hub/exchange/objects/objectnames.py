"""How operators name an object: as the end of its URL, such as locations/NL/ABC/LOC1/EVSE1."""

import re
from typing import NamedTuple
from urllib.parse import parse_qs, unquote

from ocpi_hub.exchange.objects.ownedobject import Address, OwnedObject, owned_models
from ocpi_hub.protocol.types import PartyRef

_UP_TO_MODULE = re.compile(r"\A.*/(?:sender|receiver)/")


class Name(NamedTuple):
    """An object, or a part of it."""

    model: type[OwnedObject]
    address: Address

    def __str__(self) -> str:
        variant = self.address.variant if self.model.variant_in_query else ""
        return f"{self.model.module}/{self.address.path}" + (f"?type={variant}" if variant else "")

    @property
    def whole(self) -> "Name":
        return self._replace(address=self.address.parent)


def modules() -> dict[str, type[OwnedObject]]:
    """The modules whose objects have a name: their owner, and an id of his."""
    return {module: model for module, model in owned_models().items() if model.id_field}


def named(text: str) -> Name:
    """The object that is meant; the variant that is there when the text names none. Raises ValueError.

    A whole URL, as logs and partners have it, is as good as its end. What an id has of slashes and other special
    characters is percent-encoded, as in a URL.
    """
    path, _, query = _UP_TO_MODULE.sub("", text.strip()).strip("/").partition("?")
    module, *segments = [unquote(segment) for segment in path.split("/")]
    model = modules().get(module)
    if model is None:
        raise ValueError(f"{module!r} is no module with objects; {', '.join(modules())} are")
    if not 3 <= len(segments) <= 3 + len(model.children) or not all(segments):
        raise ValueError(f"{text!r} is no object such as {_example(model)}")
    country_code, party_id, object_id, *children = segments
    owner = PartyRef.parse(f"{country_code}*{party_id}".upper())
    address = Address(owner, object_id, tuple(children))
    variant = parse_qs(query).get("type", [""])[-1].upper()
    return Name(model, address._replace(variant=_variant(model, address, variant)))


def name_of(row: OwnedObject) -> Name:
    return Name(type(row), row.own_address)


def _variant(model: type[OwnedObject], address: Address, wanted: str) -> str:
    if wanted or not model.variant_field:
        return model.variant_of(wanted)
    there = model.objects.filter(owner_key=address.owner.key, key=address.object_id.upper())
    found = set(there.values_list(model.variant_field, flat=True))
    return found.pop() if len(found) == 1 else model.variant_of(None)


def _example(model: type[OwnedObject]) -> str:
    parts = "".join(f"[/{child.field[:-1].upper()}" for child in model.children) + "]" * len(model.children)
    kind = f"[?type={model.variants[0]}]" if model.variants else ""
    return f"{model.module}/NL/ABC/ID{parts}{kind}"
