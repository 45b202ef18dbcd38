"""Where in an object numbers and timestamps are: read from the Structs, once each."""

from functools import cache
from typing import Any, Literal, NamedTuple

from msgspec import inspect


class Shape(NamedTuple):
    """`plain` holds neither numbers nor timestamps, at any depth."""

    kind: Literal["plain", "number", "time", "list", "object"]
    fields: dict[str, "Shape"]
    inner: "Shape | None" = None

    @property
    def items(self) -> "Shape":
        assert self.inner is not None
        return self.inner


_PLAIN = Shape("plain", {})


def shape_of(struct: Any) -> Shape:
    return _shape_once(struct)


@cache
def _shape_once(struct: Any) -> Shape:
    return _shape(inspect.type_info(struct))


def _shape(node: inspect.Type) -> Shape:
    node = present(node)
    if isinstance(node, inspect.DecimalType):
        return Shape("number", {})
    if isinstance(node, inspect.DateTimeType):
        return Shape("time", {})
    if isinstance(node, inspect.ListType):
        inner = _shape(node.item_type)
        return _PLAIN if inner == _PLAIN else Shape("list", {}, inner)
    if isinstance(node, inspect.StructType):
        shapes = {field.encode_name: _shape(field.type) for field in node.fields}
        fields = {name: shape for name, shape in shapes.items() if shape != _PLAIN}
        return Shape("object", fields) if fields else _PLAIN
    return _PLAIN


def present(node: inspect.Type) -> inspect.Type:
    """What `X | None` is when it is there."""
    if isinstance(node, inspect.Metadata):
        return present(node.type)
    if not isinstance(node, inspect.UnionType):
        return node
    return present(next(inner for inner in node.types if not isinstance(inner, inspect.NoneType)))
