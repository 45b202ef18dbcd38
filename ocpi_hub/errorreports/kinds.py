"""Every kind of failure that the hub reports: what happened, what it means, and who must do what about it.

The texts are read at night by somebody who did not write the hub, so they are whole sentences in plain words.
"""

from ocpi_hub.errorreports.catalogue import answers, calls, hub, proof, requests
from ocpi_hub.errorreports.kind import Kind as Kind
from ocpi_hub.errorreports.kind import Who as Who

KINDS: dict[str, Kind] = {
    kind.name: kind for part in (calls, answers, requests, proof, hub) for kind in part.KINDS
}


def kind_of(name: str) -> Kind:
    """The kind of that name; one that the hub no longer reports, or never did, in words that say so."""
    return KINDS.get(name) or Kind(
        name,
        name.replace(".", ": ").replace("_", " ").capitalize(),
        "This version of the hub does not know this kind of failure.",
        Who.HUB,
        "Resolve it when it was left by an earlier version; else tell the makers of the hub.",
    )
