"""The kinds of data that hops carry: each has partitions and a time for which it is kept of its own."""

from typing import NamedTuple

from django.db import models


class Kind(models.TextChoices):
    DRIVERS = "drivers", "drivers: tokens, sessions, commands, charging profiles"
    INVOICES = "invoices", "invoices: CDRs"
    PLACES = "places", "places: locations and tariffs"
    CONNECTIONS = "connections", "connections: versions, credentials, hub client info"


KINDS = {
    "cdrs": Kind.INVOICES,
    "locations": Kind.PLACES,
    "tariffs": Kind.PLACES,
    "versions": Kind.CONNECTIONS,
    "credentials": Kind.CONNECTIONS,
    "hubclientinfo": Kind.CONNECTIONS,
}


def kind_of(module: str) -> Kind:
    """Whatever else there is, a mistyped module included, may be about drivers, and is kept no longer than that."""
    return KINDS.get(module, Kind.DRIVERS)


class Thing(NamedTuple):
    """What an object of a module is called, in the names that a hop is found by."""

    word: str
    said: str


# The first word of a name such as session:NL/ABC/S1.
THINGS = {
    "sessions": Thing("session", "Session"),
    "cdrs": Thing("cdr", "CDR"),
    "tokens": Thing("token", "Token"),
    "locations": Thing("location", "Location"),
    "tariffs": Thing("tariff", "Tariff"),
}
EVSE = Thing("evse", "EVSE")
CONTRACT = Thing("contract", "contract of a driver")
AUTHORIZATION = Thing("authorization", "authorization reference")
# Requests and their results, by a digest of the response_url's end: the one thing that both have for certain.
RESULT = Thing("result", "result of a command or charging profile")
WORDS = {thing.word: thing for thing in (*THINGS.values(), EVSE, CONTRACT, AUTHORIZATION, RESULT)}
