"""Errors of the decoder in plain words, each with the place of the field that is wrong."""

import re
from functools import cache
from typing import Any

import msgspec
from msgspec import inspect

from .shapes import present
from .types import PATTERN_PROBLEMS, RuleBroken

_LONGEST_VALUE = 60
_LONGEST_CHOICE = 200
_PATH = re.compile(r" - at `(\$[^`]*)`\Z")
_MISSING = re.compile(r"Object missing required field `([^`]+)`")
_STEP = re.compile(r"\.([^.\[\]]+)|\[([0-9]+)\]")


def explain(error: msgspec.ValidationError, raw: Any, struct: Any) -> tuple[str, str]:
    """Place and problem."""
    message = str(error)
    path = _PATH.search(message)
    place = path[1] if path else "$"
    if isinstance(error.__cause__, RuleBroken):
        return f"{place}.{error.__cause__.field}", error.__cause__.problem
    if missing := _MISSING.match(message):
        return f"{place}.{missing[1]}", "required field is missing"
    if error.__cause__ is not None:
        return place, str(error.__cause__)
    node, value = _follow(place, _type_info(struct), raw)
    return place, _problem(node, value)


_type_info = cache(inspect.type_info)


def _follow(place: str, node: inspect.Type, value: Any) -> tuple[inspect.Type, Any]:
    for name, index in _STEP.findall(place):
        node = present(node)
        if isinstance(node, inspect.StructType) and name:
            node = next(field.type for field in node.fields if field.encode_name == name)
            value = value[name]
        elif isinstance(node, inspect.ListType) and index:
            node, value = node.item_type, value[int(index)]
    return node, value


def _problem(node: inspect.Type, value: Any) -> str:
    node = present(node)
    if value is None:
        return "required, so null is not allowed"
    if isinstance(node, inspect.StrType):
        return _string_problem(node, value)
    if isinstance(node, inspect.LiteralType):
        return _choice_problem(node, value)
    if isinstance(node, inspect.ListType):
        return "not a list" if not isinstance(value, list) else "needs at least one entry"
    if isinstance(node, inspect.IntType):
        return _integer_problem(node, value)
    if isinstance(node, inspect.DecimalType | inspect.BoolType) and isinstance(value, str):
        return f"{_WORDS[type(node)]}, but text; leave out the quotes"
    return _WORDS.get(type(node), "not allowed here")


_WORDS: dict[type[inspect.Type], str] = {
    inspect.StructType: "not an object",
    inspect.BoolType: "neither true nor false",
    inspect.DecimalType: "not a number",
    inspect.DateTimeType: "not a timestamp such as 2026-01-01T00:00:00Z",
}


def _string_problem(node: inspect.StrType, value: Any) -> str:
    if not isinstance(value, str):
        return "not a string, but a number; put it into quotes" if type(value) is int else "not a string"
    if node.max_length is not None and len(value) > node.max_length:
        return f"longer than {node.max_length} characters"
    if node.min_length is not None and len(value) < node.min_length:
        return "empty" if not value else f"shorter than {node.min_length} characters"
    return PATTERN_PROBLEMS.get(node.pattern or "", "not of the form that is needed")


def _choice_problem(node: inspect.LiteralType, value: Any) -> str:
    choice = ", ".join(map(str, node.values))
    if len(choice) > _LONGEST_CHOICE:
        choice = choice[:_LONGEST_CHOICE].rpartition(", ")[0] + ", ..."
    return f"{_shown(value)} is not one of {choice}"


def _integer_problem(node: inspect.IntType, value: Any) -> str:
    if isinstance(value, str):
        return "not a whole number, but text; leave out the quotes"
    if isinstance(value, bool) or not isinstance(value, int):
        return "not a whole number"
    return f"not between {node.ge} and {node.le}"


def _shown(value: Any) -> str:
    if not isinstance(value, str):
        return "a value that is not a string"
    shown = repr(value)
    return shown if len(shown) <= _LONGEST_VALUE else shown[: _LONGEST_VALUE - 4] + "...'"
