"""Which Locations still name a Tariff (mod_tariffs.asciidoc, DELETE; TAR-05)."""

import json
import re
from typing import Any

from django.db.models import BooleanField
from django.db.models.expressions import RawSQL

from ocpi_hub.exchange.objects.merging import same_id
from ocpi_hub.exchange.objects.ownedobject import Address, owned_models
from ocpi_hub.protocol.codec import parse

LOOKED_AT = 50  # documents that are parsed; the text was searched first

# Few documents hold a long id at all; a short one such as "1" is in every one, and then the list's text decides.
_MAY_NAME = "CASE WHEN strpos(upper(document), %s) > 0 THEN document ~* %s ELSE false END"
_IN_A_LIST = r'"tariff_ids"\s*:\s*\[(\s*"([^"\\]|\\.)*"\s*,)*\s*"{}"'


def locations_naming(tariff: Address, most: int) -> list[str]:
    """The ids of Locations of the same owner with a Connector that names it, so many at most.

    Locations name Tariffs inside their documents only. One owner's documents are searched as text, which takes
    half a second for 80,000 of them, and those that remain are parsed.
    """
    model = owned_models().get("locations")
    if model is None:
        return []
    may_name = RawSQL(_MAY_NAME, _patterns(tariff.object_id), output_field=BooleanField())  # noqa: S611  # parameters
    its = model.objects.present().filter(may_name, owner_key=tariff.owner.key)
    found = its.values_list("object_id", "document")[:LOOKED_AT]
    naming = {location: 0 for location, text in found if _names(parse(text.encode()), tariff.object_id)}
    return list(naming)[:most]


def _patterns(tariff_id: str) -> list[str]:
    """Of its id as JSON has it: the longest piece, and the list with it. JSON may put a backslash before a slash."""
    pieces = json.dumps(tariff_id)[1:-1].split("/")
    quoted = r"(\\)?/".join(map(re.escape, pieces))
    return [max(pieces, key=len).upper(), _IN_A_LIST.format(quoted)]


def _names(location: dict[str, Any], tariff_id: str) -> bool:
    return any(
        same_id(named, tariff_id)
        for evse in location.get("evses") or []
        for connector in evse.get("connectors") or []
        for named in connector.get("tariff_ids") or []
    )
