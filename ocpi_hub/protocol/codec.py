"""From bytes to a checked object in two steps, and back to bytes (transport_and_format.asciidoc: JSON)."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple, NoReturn, TypeVar

import msgspec

from .explain import explain
from .shapes import Shape, shape_of
from .times import format_time, is_wire_form, parse_time

T = TypeVar("T")

MAX_DIGITS = 30
MAX_EXPONENT = 12
MAX_DEPTH = 32


class MalformedJSON(ValueError):
    """The body is not JSON: HTTP 400."""


class InvalidObject(ValueError):
    """JSON, but not an object that OCPI allows: status code 2001. `place` says where, `problem` what."""

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(f"{place}: {problem}")
        self.place = place
        self.problem = problem


def read(body: bytes, struct: type[T]) -> T:
    return check(parse(body), struct)


# --- Step one: bytes to dict, list, str, int, Decimal, bool, None ---


class _BadNumber(ValueError):
    pass


def _decimal(text: str) -> Decimal:
    if problem := _number_problem(text):
        raise _BadNumber(problem)
    return Decimal(text)


def _number_problem(text: str) -> str | None:
    if len(text) <= MAX_DIGITS and text.isdigit():
        return None
    mantissa, _, exponent = text.lower().partition("e")
    if len(mantissa) > MAX_DIGITS and sum(map(str.isdigit, mantissa)) > MAX_DIGITS:
        return f"number of more than {MAX_DIGITS} digits"
    if exponent and (len(exponent) > 20 or abs(int(exponent)) > MAX_EXPONENT):
        return f"number with an exponent beyond {MAX_EXPONENT}"
    return None


_DECODER = msgspec.json.Decoder(float_hook=_decimal)
_DIGITS_AS_ZERO = bytes(0x30 if 0x30 <= byte <= 0x39 else byte for byte in range(256))
_LONG_NUMBER = b"0" * (MAX_DIGITS + 1)
_LONG_INTEGER = re.compile(rb"(?:^|[\s,:\[-])[0-9]{%d,}(?:[\s,\]}]|$)" % (MAX_DIGITS + 1))
_ESCAPED_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def parse(body: bytes) -> Any:
    """JSON within our limits. Of a repeated key the last value counts.

    The common body is decoded once. Only one that may break a limit is gone through slowly, to say where.
    """
    try:
        raw = _DECODER.decode(body)
    except (UnicodeDecodeError, RecursionError):
        raise MalformedJSON("the body is not JSON") from None
    except msgspec.ValidationError:  # an integer too long for the decoder
        _refuse(body)
    except msgspec.DecodeError as error:
        # JSON may spell half of a surrogate pair, which no string can hold and the decoder calls malformed.
        if b"\\u" in body:
            _refuse(body)
        if not body.strip():
            raise MalformedJSON("the body is empty") from None
        raise MalformedJSON(f"the body is not JSON: {error}") from None
    except _BadNumber:
        _refuse(body)
    if _may_hold_nul(body) or _may_hold_long_integer(body):
        _examine(body)
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH:
        _limit_depth(raw)
    return raw


def _may_hold_nul(body: bytes) -> bool:
    return b"\\u0000" in body and _ESCAPED_NUL.search(body) is not None


def _may_hold_long_integer(body: bytes) -> bool:
    """Long digits inside a string are common enough to be told apart here: signed data has them."""
    return _LONG_NUMBER in body.translate(_DIGITS_AS_ZERO) and _LONG_INTEGER.search(body) is not None


def _limit_depth(raw: Any) -> None:
    level = [raw]
    for _ in range(MAX_DEPTH):
        level = [
            value
            for container in level
            for value in (container.values() if type(container) is dict else container)
            if type(value) is dict or type(value) is list
        ]
        if not level:
            return
    raise InvalidObject("$", f"nested deeper than {MAX_DEPTH}")


def _refuse(body: bytes) -> NoReturn:
    _examine(body)
    raise MalformedJSON("the body is not JSON")


class _Digits(str):
    """The text of a number, which is never made a number here: long ones would cost time."""

    __slots__ = ()


def _examine(body: bytes) -> None:
    """Raise for the first value that breaks a limit, by name of its place."""
    try:
        text = body.decode()
        raw = json.loads(text, parse_int=_Digits, parse_float=_Digits, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise MalformedJSON("the body is not JSON") from None
    for spot, value in _strings(raw):
        problem = _number_problem(value) if isinstance(value, _Digits) else _string_problem(value)
        if problem:
            raise InvalidObject(_place(spot), problem)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def _string_problem(text: str) -> str | None:
    found = _UNSTORABLE.search(text)
    if found is None:
        return None
    return "holds the character U+0000" if found[0] == "\x00" else "holds half of a surrogate pair"


class _Spot(NamedTuple):
    """A place, spelt out only when it is wrong."""

    parent: "_Spot | None" = None
    step: str | int = ""


def _place(spot: _Spot) -> str:
    if spot.parent is None:
        return "$"
    step = f"[{spot.step}]" if isinstance(spot.step, int) else f".{spot.step}"
    return _place(spot.parent) + step


def _strings(raw: Any) -> Iterator[tuple[_Spot, str]]:
    """Every string, key and number of a document, with its place."""
    todo = [(_Spot(), raw, 0)]
    while todo:
        spot, value, depth = todo.pop()
        if isinstance(value, str):
            yield spot, value
            continue
        if depth == MAX_DEPTH and isinstance(value, dict | list):
            raise InvalidObject("$", f"nested deeper than {MAX_DEPTH}")
        if isinstance(value, dict):
            for key in value:
                yield spot, key
            todo.extend((_Spot(spot, key), item, depth + 1) for key, item in value.items())
        elif isinstance(value, list):
            todo.extend((_Spot(spot, index), item, depth + 1) for index, item in enumerate(value))


# --- Step two: to a checked object ---


def check(raw: Any, struct: type[T]) -> T:
    """The object, or InvalidObject naming the field. `raw` stays as it is."""
    try:
        return msgspec.convert(_ready(shape_of(struct), raw), struct, builtin_types=(Decimal, datetime))
    except msgspec.ValidationError as error:
        raise InvalidObject(*explain(error, raw, struct)) from None


def _ready(shape: Shape, value: Any) -> Any:
    """A copy, as far as needed, in which numbers are Decimal and timestamps are datetime."""
    if shape.kind == "object" and isinstance(value, dict):
        changed = {
            name: _ready(inner, value[name])
            for name, inner in shape.fields.items()
            if value.get(name) is not None
        }
        return {**value, **changed}
    if shape.kind == "list" and isinstance(value, list):
        return [_ready(shape.items, item) for item in value]
    if shape.kind == "number":
        return _ready_number(value)
    if shape.kind == "time":
        return _ready_time(value)
    return value


def _ready_number(value: Any) -> Any:
    if type(value) is int:
        return Decimal(value)
    if isinstance(value, Decimal) and not value.is_finite():
        return str(value)
    return value


def _ready_time(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return parse_time(value)
        except ValueError:
            return value
    if isinstance(value, datetime) and value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    return value


def normalise_times(raw: Any, struct: type[Any]) -> bool:
    """Rewrite in place the timestamps that OCPI does not allow but everyone sends: offsets, more digits.

    The moment is kept, to the millisecond. What is no timestamp at all is left for `check`.
    """
    return _normalise(shape_of(struct), raw)


def _normalise(shape: Shape, value: Any) -> bool:
    if shape.kind == "list" and isinstance(value, list):
        places: list[tuple[Shape, Any]] = [(shape.items, index) for index in range(len(value))]
    elif shape.kind == "object" and isinstance(value, dict):
        places = [(inner, name) for name, inner in shape.fields.items() if name in value]
    else:
        return False
    return sum(_normalise_at(inner, value, key) for inner, key in places) > 0


def _normalise_at(shape: Shape, container: Any, key: Any) -> bool:
    value = container[key]
    if shape.kind != "time":
        return _normalise(shape, value)
    if not isinstance(value, str) or is_wire_form(value):
        return False
    try:
        container[key] = format_time(parse_time(value))
    except ValueError:
        return False
    return True


# --- Back to bytes ---

_ENCODER = msgspec.json.Encoder(decimal_format="number")


def dump(value: Any) -> bytes:
    """Compact JSON of Structs, of what `parse` gives, or of both mixed."""
    return _ENCODER.encode(_plain(msgspec.to_builtins(value, builtin_types=(Decimal, datetime))))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, datetime):
        return format_time(value)
    if isinstance(value, Decimal) and not value.is_finite():
        raise ValueError("JSON has no number for infinity or NaN")
    return value
