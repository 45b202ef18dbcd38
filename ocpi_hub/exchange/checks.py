"""A system check that ties each module's columns to its Struct, so that neither forgets the other."""

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import msgspec
from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.db import models

from ocpi_hub.exchange.objects.ownedobject import OwnedObject


@register()
def modules_are_complete(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    missing = [
        Error(
            f"OCPI_MODULES names {module!r}, and no app of that name has addresses.",
            hint="docs/adding-a-module.md lists what a module consists of.",
            id="exchange.E001",
        )
        for module in settings.OCPI_MODULES
        if not _has_addresses(module)
    ]
    return missing + [fault for model in _models() for fault in faults(model)]


def _has_addresses(module: str) -> bool:
    try:
        return find_spec(f"{module}.urls") is not None
    except ModuleNotFoundError:
        return False


def _models() -> list[type[OwnedObject]]:
    return [model for model in apps.get_models() if issubclass(model, OwnedObject)]


def faults(model: type[OwnedObject]) -> Iterator[CheckMessage]:
    """What is wrong between a model's copied columns and the fields of its Struct."""
    fields = {field.encode_name: field for field in msgspec.inspect.type_info(model.wire).fields}  # type: ignore[attr-defined]
    for name in model.copied:
        column = model._meta.get_field(name)
        if name not in fields:
            yield _fault(model, name, "has no field of that name in the Struct", "exchange.E002")
            continue
        longest = _longest(fields[name].type)
        if isinstance(column, models.CharField) and longest and column.max_length != longest:
            yield _fault(
                model, name, f"holds {column.max_length} characters, the wire {longest}", "exchange.E003"
            )
        if fields[name].required and column.null:
            yield _fault(model, name, "may be NULL, and the wire requires it", "exchange.E004")
        if fields[name].required and not column.has_default():
            yield _fault(model, name, "has no default, and the wire requires it", "exchange.E005")
        if not fields[name].required and not column.null:
            yield _fault(model, name, "may not be NULL, and the wire may leave it out", "exchange.E006")


def _longest(kind: Any) -> int | None:
    """The most characters that a field's type allows."""
    if isinstance(kind, msgspec.inspect.UnionType):
        return next((length for length in map(_longest, kind.types) if length), None)
    if isinstance(kind, msgspec.inspect.LiteralType):
        return max(len(str(value)) for value in kind.values)
    return getattr(kind, "max_length", None)


def _fault(model: type[OwnedObject], name: str, problem: str, code: str) -> CheckMessage:
    return Error(
        f"{model.__name__}.{name} {problem}.",
        hint="Bring the column and the Struct in step.",
        obj=model,
        id=code,
    )
