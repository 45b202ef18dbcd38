"""Objects of the wire with a single fault, made of valid ones, and the place that the error has to name."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any, NamedTuple

from hypothesis import strategies as st
from msgspec import NODEFAULT, inspect

from ocpi_hub.protocol.shapes import present

from .strategies import Raw, valid


class Fault(NamedTuple):
    """Put `value` at `steps`, or take away what is there. `place` is what the error has to name."""

    place: str
    steps: tuple[str | int, ...]
    value: Any


_GONE = object()


@st.composite
def mutants(draw: st.DrawFn, struct: type) -> tuple[Raw, str]:
    """An object with one fault, and the place of the fault."""
    raw = deepcopy(draw(valid(struct)))
    faults = sorted(_faults(inspect.type_info(struct), raw, "$", ()), key=lambda fault: fault.place)
    fault = draw(st.sampled_from(faults))
    *way, last = fault.steps
    container: Any = raw
    for step in way:
        container = container[step]
    if fault.value is _GONE:
        del container[last]
    else:
        container[last] = fault.value
    return raw, fault.place


def _faults(node: inspect.Type, value: Any, place: str, steps: tuple[str | int, ...]) -> Iterator[Fault]:
    node = present(node)
    if steps:
        yield from (Fault(place, steps, wrong) for wrong in _wrong(node))
    if isinstance(node, inspect.ListType):
        for index, item in enumerate(value):
            yield from _faults(node.item_type, item, f"{place}[{index}]", (*steps, index))
    if not isinstance(node, inspect.StructType):
        return
    for field in node.fields:
        name = field.encode_name
        inner, way = f"{place}.{name}", (*steps, name)
        if field.default is NODEFAULT:
            yield Fault(inner, way, _GONE)
            yield Fault(inner, way, None)
        if name in value:
            yield from _faults(field.type, value[name], inner, way)


def _wrong(node: inspect.Type) -> list[Any]:
    match node:
        case inspect.StructType():
            return [[], "text"]
        case inspect.ListType():
            return [{}, "text", []] if node.min_length else [{}, "text"]
        case inspect.LiteralType():
            return ["nonsense", str(node.values[0]).swapcase() + " ", 7]
        case inspect.StrType():
            return ["x" * ((node.max_length or 0) + 1), "line\nfeed", 7, True]
        case inspect.IntType():
            return ["7", True, (node.le or 0) + 1]
        case inspect.BoolType():
            return ["true", 0]
        case inspect.DecimalType():
            return ["1.5", True]
        case inspect.DateTimeType():
            return ["2026-01-01", "2026-01-01 00:00:00Z", 7]
    raise NotImplementedError(node)
