"""The system check that ties columns to Structs."""

from typing import Annotated

import msgspec
import pytest
from django.db import models

from locations.models import Location
from ocpi_hub.exchange import checks
from ocpi_hub.protocol.types import Wire
from tokens.models import Token

Text5 = Annotated[str, msgspec.Meta(max_length=5)]


class _Wire(Wire, kw_only=True):
    name: Text5
    note: Text5 | None = None
    kind: msgspec.UnsetType | str = ""


class _Kind(Wire, kw_only=True):
    from typing import Literal

    kind: Literal["A", "LONG"]


def faults(wire, **columns):
    """Of a model that is none, with these columns."""

    class Meta:
        @staticmethod
        def get_field(name):
            return columns[name]

    model = type("Thing", (), {"wire": wire, "copied": tuple(columns), "_meta": Meta})
    return [(fault.id, str(fault.msg)) for fault in checks.faults(model)]


@pytest.mark.parametrize("model", [Location, Token])
def test_the_modules_are_complete(model):
    assert list(checks.faults(model)) == []
    assert checks.modules_are_complete(None) == []


@pytest.mark.parametrize(
    ("wire", "columns", "found"),
    [
        (_Wire, {"name": models.CharField(max_length=5, default="")}, []),
        (_Wire, {"note": models.CharField(max_length=5, null=True)}, []),
        (_Kind, {"kind": models.CharField(max_length=4, default="A")}, []),
        (
            _Wire,
            {"other": models.TextField()},
            [("exchange.E002", "Thing.other has no field of that name in the Struct.")],
        ),
        (
            _Wire,
            {"name": models.CharField(max_length=6, default="")},
            [("exchange.E003", "Thing.name holds 6 characters, the wire 5.")],
        ),
        (
            _Kind,
            {"kind": models.CharField(max_length=5, default="A")},
            [("exchange.E003", "Thing.kind holds 5 characters, the wire 4.")],
        ),
        (
            _Wire,
            {"name": models.CharField(max_length=5, default="", null=True)},
            [("exchange.E004", "Thing.name may be NULL, and the wire requires it.")],
        ),
        (
            _Wire,
            {"name": models.CharField(max_length=5)},
            [("exchange.E005", "Thing.name has no default, and the wire requires it.")],
        ),
        (
            _Wire,
            {"note": models.CharField(max_length=5, default="")},
            [("exchange.E006", "Thing.note may not be NULL, and the wire may leave it out.")],
        ),
    ],
)
def test_what_does_not_fit_is_named(wire, columns, found):
    assert faults(wire, **columns) == found


def test_a_module_without_a_model_is_named(settings):
    settings.OCPI_MODULES = ["locations", "invoices"]

    (fault,) = checks.modules_are_complete(None)
    assert (fault.id, fault.msg) == (
        "exchange.E001",
        "OCPI_MODULES names 'invoices', and no app of that name has addresses.",
    )
