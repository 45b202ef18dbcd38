"""What a row of a repair table must say, so that it can mend anything: pure checks of its place and argument."""

from typing import Any

from msgspec import inspect

from ocpi_hub.protocol.shapes import present

ANYWHERE = ("TEXT", "NUMBER", "TIME", "OWNER")  # kinds that need no path

# What each kind takes, with an example; read by the operator.
ARGUMENTS = {
    "TEXT": "none",
    "NUMBER": "none",
    "TIME": "none",
    "OWNER": "none",
    "WRAP": 'the object, with "*" where the bare value goes, such as {"excl_vat": "*"}',
    "UNWRAP": "none",
    "VALUE": 'the values by their wrong ones, "*" for any, such as {"FREE": "AVAILABLE", "*": "UNKNOWN"}',
    "RENAME": 'the older name, such as "type"',
    "FILL": 'the missing value, such as true, or by another field, such as {"by": "country", "values": '
    '{"NLD": "Europe/Amsterdam"}}',
}


def faults(kind: str, path: str, argument: Any, struct: Any) -> dict[str, str]:
    """What is wrong with a rule, by its field; nothing when it can be used."""
    found = {"path": _path_fault(kind, path, struct), "argument": _argument_fault(kind, argument)}
    return {field: fault for field, fault in found.items() if fault}


def _path_fault(kind: str, path: str, struct: Any) -> str:
    if not path:
        return "" if kind in ANYWHERE else f"{kind} needs a path, such as evses[].status"
    if kind == "OWNER" and path not in ("country_code", "party_id"):
        return "OWNER fills country_code or party_id; leave the path empty for both"
    return unknown_step(path, struct)


def unknown_step(path: str, struct: Any) -> str:
    """Where a generic path such as `evses[].status` leaves the Struct; nothing when it is a place in it."""
    node, walked = inspect.type_info(struct), ""
    for step in path.split("."):
        name = step.removesuffix("[]")
        if isinstance(node, inspect.ListType):
            return f"{walked} is a list; write {walked}[]"
        fields = {field.encode_name: field for field in getattr(node, "fields", ())}
        if name not in fields:
            within = f"{walked} has" if walked else "the object has"
            return f"{within} no field {name!r}; its fields are {', '.join(sorted(fields)) or 'none'}"
        node = present(fields[name].type)
        walked = f"{walked}.{step}".lstrip(".")
        if step.endswith("[]"):
            if not isinstance(node, inspect.ListType):
                return f"{name!r} is no list; write it without []"
            node = present(node.item_type)
    return ""


def _argument_fault(kind: str, argument: Any) -> str:
    fits = {
        "RENAME": isinstance(argument, str) and argument.strip() != "",
        "WRAP": isinstance(argument, dict) and list(argument.values()).count("*") == 1,
        "VALUE": _is_texts(argument),
        "FILL": _can_fill(argument),
    }.get(kind, argument is None)
    return "" if fits else f"{kind} takes {ARGUMENTS.get(kind, 'none')}"


def _is_texts(argument: Any) -> bool:
    if not isinstance(argument, dict):
        return False
    return bool(argument) and all(isinstance(text, str) for text in (*argument, *argument.values()))


def _can_fill(argument: Any) -> bool:
    if not isinstance(argument, dict) or "by" not in argument:
        return argument is not None
    values = argument.get("values")
    return isinstance(argument["by"], str) and isinstance(values, dict) and bool(values)
