"""How a PATCH and a push of a part change a document (transport_and_format.asciidoc, PATCH; interpretations, P71, P72).

Pure functions on parsed JSON; `children` describes the lists whose elements have a key of their own.
"""

from collections.abc import Callable, Mapping
from typing import Any

from ocpi_hub.exchange.objects.ownedobject import Child
from ocpi_hub.protocol.codec import InvalidObject

JSONObject = dict[str, Any]
Mark = Callable[[Any], str]  # equal for two items of a list that say the same


def merge(
    document: JSONObject,
    patch: JSONObject,
    children: tuple[Child, ...],
    appended: Mapping[str, Mark] | None = None,
) -> JSONObject:
    """The document with the fields that the patch names.

    Keyed children are merged by key and `appended` lists grow; all else is replaced.
    """
    appended = appended or {}
    merged = dict(document)
    for name, value in patch.items():
        is_child_list = bool(children) and name == children[0].field
        if is_child_list and isinstance(value, list) and isinstance(document.get(name), list):
            merged[name] = _merge_children(document[name], value, children)
        elif name in appended and (value is None or isinstance(value, list)):
            merged[name] = _append(document.get(name) or [], value or [], appended[name])
        else:
            merged[name] = value
    return merged


def _append(present: list[Any], more: list[Any], mark_of: Mark) -> list[Any]:
    """The list with what it does not hold already; who sends the whole list again adds nothing (P86)."""
    grown = list(present)
    seen = {mark_of(item) for item in present}
    for item in more:
        if (mark := mark_of(item)) not in seen:
            seen.add(mark)
            grown.append(item)
    return grown


def _merge_children(present: list[Any], patches: list[Any], children: tuple[Child, ...]) -> list[Any]:
    """The parts with those of the patch merged in. InvalidObject when the patch names one of them twice."""
    merged = list(present)
    child = children[0]
    where = {_key(part, child): index for index, part in enumerate(present)}
    named: set[str | None] = set()
    for patch in patches:
        key = _key(patch, child)
        if key is not None and key in named:
            raise InvalidObject(f"$.{child.field}", f"{patch[child.id_field]!r} is in it twice")
        named.add(key)
        index = where.get(key) if key is not None else None
        if index is None:
            merged.append(patch)
        else:
            merged[index] = merge(merged[index], patch, children[1:])
    return merged


def _key(part: Any, child: Child) -> str | None:
    wanted = part.get(child.id_field) if isinstance(part, dict) else None
    return wanted.upper() if isinstance(wanted, str) else None


def position(parts: list[Any], child: Child, wanted: object) -> int | None:
    """Where in the list the part with this id is; ids compare without case."""
    for index, part in enumerate(parts):
        if isinstance(part, dict) and same_id(part.get(child.id_field), wanted):
            return index
    return None


def same_id(left: object, right: object) -> bool:
    return isinstance(left, str) and isinstance(right, str) and left.upper() == right.upper()


def lineage(document: JSONObject, ids: tuple[str, ...], children: tuple[Child, ...]) -> list[JSONObject]:
    """The document and its parts down along the ids, as far as they exist."""
    found = [document]
    for child, wanted in zip(children, ids, strict=False):
        parts = found[-1].get(child.field) or []
        index = position(parts, child, wanted)
        if index is None:
            break
        found.append(parts[index])
    return found


def replace_part(parent: JSONObject, child: Child, part: JSONObject) -> None:
    """Put the part into its parent, in the place of the one with the same id or at the end."""
    parts = list(parent.get(child.field) or [])
    index = position(parts, child, part[child.id_field])
    if index is None:
        parts.append(part)
    else:
        parts[index] = part
    parent[child.field] = parts
