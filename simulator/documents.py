"""Reading and changing an object at a depth: a Location, an EVSE in it, a Connector in that."""

from collections.abc import Sequence
from typing import Any

from simulator import ocpi
from simulator.objects import Module


def descend(document: Any, module: Module, path: Sequence[str]) -> list[dict[str, Any]] | None:
    """The object and what lies below it along the path of child ids; None where a child is missing."""
    nodes = [document]
    for child_id, (field, id_field) in zip(path, module.children, strict=False):
        for child in nodes[-1].get(field) or ():
            if str(child.get(id_field)).upper() == child_id.upper():
                nodes.append(child)
                break
        else:
            return None
    return nodes


def put_child(document: Any, module: Module, path: Sequence[str], child: dict[str, Any]) -> bool | None:
    """Replace or add the child at path; says whether it is new, None when its parent is missing."""
    nodes = descend(document, module, path[:-1])
    if nodes is None:
        return None
    field, id_field = module.children[len(path) - 1]
    siblings = nodes[-1].get(field) or []
    places = [n for n, known in enumerate(siblings) if str(known.get(id_field)).upper() == path[-1].upper()]
    if places:
        siblings[places[0]] = child
    else:
        siblings.append(child)
    nodes[-1][field] = siblings
    lift([*nodes, child])
    return not places


def merge(nodes: list[dict[str, Any]], changes: dict[str, Any]) -> None:
    """A PATCH: only the named fields change (MET-03), and the parents learn the time (LOC-08)."""
    nodes[-1].update(changes)
    lift(nodes)


def lift(nodes: list[dict[str, Any]]) -> None:
    """Copy last_updated of the last node to its parents, unless one is newer already."""
    text = nodes[-1].get("last_updated")
    moment = ocpi.parse_time(text)
    for parent in nodes[:-1]:
        before = ocpi.parse_time(parent.get("last_updated"))
        if moment and (before is None or before < moment):
            parent["last_updated"] = text
