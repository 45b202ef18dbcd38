"""What the contract of Client Owned Objects needs to know of each module: one row. A new module adds its own."""

from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode

import pytest

from ocpi_hub.exchange.objects.ownedobject import OwnedObject, owned_models
from tests import examples
from tests.partners import Answered, Partner

JSONObject = dict[str, Any]


class Module(NamedTuple):
    name: str
    make: Callable[..., JSONObject]  # a valid object with the given fields changed
    owner: str  # fixtures: the partner that owns it,
    audience: str  # one that gets it,
    rival: str  # and one in the owner's own role, who does not
    id_field: str = "id"
    id_length: int = 36
    required: str = "id"  # a required field beside the key
    optional: tuple[str, Any] = ("", None)  # an optional field, and a value of it
    text: tuple[str, int] = ("", 0)  # a text field, and its length
    enum: str = ""
    boolean: str = ""  # where it has one
    lists: tuple[str, ...] = ()  # optional lists
    addressed: bool = False  # each object is for one party, and a third one sees nothing of it
    immutable: bool = False  # what is there stays as it came
    receiver_methods: tuple[str, ...] = ("GET", "PUT", "PATCH")
    sender_methods: tuple[str, ...] = ("GET",)
    list_query: str = ""  # what a list needs to show everything

    @property
    def model(self) -> type[OwnedObject]:
        return owned_models()[self.name]

    @property
    def id(self) -> str:
        return str(self.make()[self.id_field])

    def named(self, object_id: str, **changes: Any) -> JSONObject:
        return self.make(**{self.id_field: object_id, **changes})

    # ------------------------------------------------------------------------------------- its methods
    def methods(self, role: str) -> tuple[str, ...]:
        return self.receiver_methods if role == "receiver" else self.sender_methods

    @property
    def push_method(self) -> str:
        return "POST" if "POST" in self.receiver_methods else "PUT"

    @property
    def writes(self) -> tuple[str, ...]:
        """The methods that carry a body."""
        return tuple(method for method in self.receiver_methods if method not in ("GET", "DELETE"))

    # ----------------------------------------------------------------------------------- its addresses
    def endpoint(self, role: str) -> str:
        return f"/ocpi/2.2.1/{role}/{self.name}"

    def path(self, object_id: str = "", owner: str = "") -> str:
        """The Receiver's address of an object, percent-encoded already; the owner is such as NL*ABC."""
        made = self.make()
        country_code, _, party_id = (owner or f"{made['country_code']}*{made['party_id']}").partition("*")
        return f"{self.endpoint('receiver')}/{country_code}/{party_id}/{object_id or self.id}"

    def target(self, method: str, object_id: str = "", owner: str = "") -> str:
        """Where a request to the Receiver goes: what is pushed by POST has no address before it is there."""
        if method == self.push_method == "POST":
            return self.endpoint("receiver")
        return self.path(object_id, owner)

    def list(self, **query: Any) -> str:
        """The Sender's list of all there is, or of what the query leaves."""
        parameters = urlencode({**dict(parse_qsl(self.list_query)), **query})
        return f"{self.endpoint('sender')}?{parameters}" if parameters else self.endpoint("sender")

    def push(self, partner: Partner, made: JSONObject, **headers: str) -> Answered:
        """The whole object, as whoever owns it by its fields would push it."""
        owner = f"{made['country_code']}*{made['party_id']}"
        target = self.target(self.push_method, made[self.id_field], owner)
        return partner.request(self.push_method, target, made, **headers)


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
        "sessions",
        examples.session,
        owner="cpo",
        audience="emsp",
        rival="rival",
        required="currency",
        optional=("meter_id", "METER-1"),
        text=("meter_id", 255),
        enum="auth_method",
        lists=("charging_periods",),
        addressed=True,
        list_query="date_from=2020-01-01T00:00:00Z",
    ),
    Module(
        "cdrs",
        examples.cdr,
        owner="cpo",
        audience="emsp",
        rival="rival",
        id_length=39,
        required="total_energy",
        optional=("meter_id", "METER-1"),
        text=("meter_id", 255),
        enum="auth_method",
        boolean="home_charging_compensation",
        lists=("tariffs",),
        addressed=True,
        immutable=True,
        receiver_methods=("GET", "POST"),
    ),
    Module(
        "tariffs",
        examples.tariff,
        owner="cpo",
        audience="emsp",
        rival="rival",
        required="currency",
        optional=("type", "REGULAR"),
        text=("currency", 3),
        enum="type",
        lists=("tariff_alt_text",),
        receiver_methods=("GET", "PUT", "DELETE"),
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


# ------------------------------------------------------------------- tests that not every module has a part in
def over(modules: list[Module]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("module", modules, ids=lambda module: module.name, indirect=True)


def over_methods(methods: list[tuple[Module, str]]) -> pytest.MarkDecorator:
    rows = [pytest.param(module, method, id=f"{module.name}-{method}") for module, method in methods]
    return pytest.mark.parametrize(("module", "method"), rows, indirect=["module"])


WRITES = [(module, method) for module in MODULES for method in module.writes]
UPDATED = [module for module in MODULES if not module.immutable]
UPDATES = [(module, method) for module, method in WRITES if not module.immutable]
PATCHED = [module for module in MODULES if "PATCH" in module.receiver_methods]
PUT_TO_ITS_ADDRESS = [(module, method) for module, method in WRITES if method != "POST"]
