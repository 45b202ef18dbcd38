"""What the contract of Client Owned Objects needs to know of each module: one row. A new module adds its own."""

from collections.abc import Callable
from typing import Any, NamedTuple

from ocpi_hub.exchange.ownedobject import OwnedObject, owned_models
from tests import examples

JSONObject = dict[str, Any]


class Module(NamedTuple):
    name: str
    make: Callable[..., JSONObject]  # a valid object with the given fields changed
    owner: str  # fixtures: the partner that owns it,
    audience: str  # one that gets it,
    rival: str  # and one in the owner's own role, who does not
    id_field: str = "id"
    required: str = "id"  # a required field beside the key
    optional: tuple[str, Any] = ("", None)  # an optional field, and a value of it
    text: tuple[str, int] = ("", 0)  # a text field, and its length
    enum: str = ""
    boolean: str = ""
    lists: tuple[str, ...] = ()  # optional lists
    receiver_methods: tuple[str, ...] = ("GET", "PUT", "PATCH")
    sender_methods: tuple[str, ...] = ("GET",)

    @property
    def model(self) -> type[OwnedObject]:
        return owned_models()[self.name]

    def named(self, object_id: str, **changes: Any) -> JSONObject:
        return self.make(**{self.id_field: object_id, **changes})

    def path(self, object_id: str = "") -> str:
        """The Receiver's address of the owner's object."""
        made = self.make()
        return f"{self.endpoint('receiver')}/{made['country_code']}/{made['party_id']}/{object_id or self.id}"

    @property
    def id(self) -> str:
        return str(self.make()[self.id_field])

    def methods(self, role: str) -> tuple[str, ...]:
        return self.receiver_methods if role == "receiver" else self.sender_methods

    def endpoint(self, role: str) -> str:
        return f"/ocpi/2.2.1/{role}/{self.name}"


MODULES = [
    Module(
        "locations",
        examples.location,
        owner="cpo",
        audience="emsp",
        rival="rival",
        required="city",
        optional=("name", "Utrecht Centraal"),
        text=("city", 45),
        enum="parking_type",
        boolean="publish",
        lists=("evses", "facilities", "images"),
    ),
    Module(
        "tokens",
        examples.token,
        owner="emsp",
        audience="cpo",
        rival="other_emsp",
        id_field="uid",
        required="issuer",
        optional=("visual_number", "DF000-2001-8999"),
        text=("issuer", 64),
        enum="whitelist",
        boolean="valid",
    ),
]
