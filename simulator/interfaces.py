"""The Sender and Receiver interface of one module, as this party offers them."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlencode

import msgspec

from simulator import documents, ocpi
from simulator.objects import Item, Objects
from simulator.ocpi import OCPIError, Party
from simulator.server import Answer, Request

LONGEST_DATE = 40


class Call(NamedTuple):
    """Who is addressed and who asks, by the routing headers."""

    to: Party | None = None
    sender: Party | None = None


class Interface(Protocol):
    """What is below one endpoint of the version details."""

    def answer(self, request: Request, path: Sequence[str], call: Call) -> Answer: ...


def refuse_method(request: Request, *allowed: str) -> None:
    if request.method not in allowed:
        raise OCPIError(2000, f"{request.method} is not possible here", 405, allow=", ".join(allowed))


def nothing_here() -> OCPIError:
    return OCPIError(2000, "There is nothing at this path", 404)


def read_object(request: Request) -> dict[str, Any]:
    try:
        body = ocpi.decode(request.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise OCPIError(2000, f"The body is not JSON: {error}", 400) from error
    if not isinstance(body, dict):
        raise OCPIError(2001, "$ is not an object")
    return body


def text(body: dict[str, Any], name: str, needed: bool = True) -> str:
    """A field that is a text; empty where one that is not needed is missing."""
    value = body.get(name)
    if value is None and not needed:
        return ""
    if not isinstance(value, str) or not value:
        raise OCPIError(2001, f"$.{name} is missing or is no text")
    return value


class Sender:
    """Own objects, for whoever wants to pull them."""

    def __init__(self, objects: Objects, page_size: int, url: str, parties: int = 1) -> None:
        self.objects, self.page_size, self.url, self.parties = objects, page_size, url, parties
        self.served = 0  # how far the latest crawl has come

    def answer(self, request: Request, path: Sequence[str], call: Call) -> Answer:
        refuse_method(request, "GET")
        owner = call.to if self.parties > 1 else None
        return self.one(path) if path else self.page(request.query, owner)

    def one(self, path: Sequence[str]) -> Answer:
        module = self.objects.module
        item = self.objects.find(path[0]) if module.children else None
        nodes = documents.descend(item.document, module, path[1:]) if item else None
        if item is None or nodes is None or len(path) > len(module.children) + 1:
            raise OCPIError(module.unknown, f"There is no {'/'.join(path)} here", 404)
        return Answer(body=ocpi.envelope(msgspec.Raw(item.raw) if len(nodes) == 1 else nodes[-1]))

    def page(self, query: dict[str, str], owner: Party | None) -> Answer:
        offset, limit = number(query, "offset", 0), number(query, "limit", self.page_size)
        limit = max(1, min(limit, self.page_size))
        dates = {name: date(query, name) for name in ("date_from", "date_to")}
        total, raws = self.objects.page(offset, limit, owner, dates["date_from"], dates["date_to"])
        self.served = offset + len(raws)
        headers = {"X-Total-Count": str(total), "X-Limit": str(limit)}
        if offset + limit < total:
            kept = {name: query[name] for name, moment in dates.items() if moment}
            following = urlencode({**kept, "offset": offset + limit, "limit": limit})
            headers["Link"] = f'<{self.url}?{following}>; rel="next"'
        return Answer(body=ocpi.envelope([msgspec.Raw(raw) for raw in raws]), headers=headers)


def number(query: dict[str, str], name: str, default: int) -> int:
    text = query.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise OCPIError(2001, f"{name} is not a number: {text[:20]}")
    return int(text)


def date(query: dict[str, str], name: str) -> Any:
    text = query.get(name, "")
    moment = ocpi.parse_time(text) if text else None
    if text and moment is None:
        raise OCPIError(2001, f"{name} is not a time: {text[:LONGEST_DATE]}")
    return moment


class Receiver:
    """Objects of others, stored as they are sent."""

    def __init__(self, objects: Objects) -> None:
        self.objects, self.module = objects, objects.module
        self.depth = 3 if self.module.id_field else 2  # of a whole object's path
        self.taken: Counter[str] = Counter()  # pushes by method
        self.stale = 0  # pushes that were older than what they replaced
        self.last_push: str | None = None

    @property
    def pushes(self) -> int:
        return self.taken.total()

    def answer(self, request: Request, path: Sequence[str], call: Call) -> Answer:
        refuse_method(request, *self.module.methods)
        if not self.depth <= len(path) <= self.depth + len(self.module.children):
            raise nothing_here()
        owner, kind = Party(path[0].upper(), path[1].upper()), request.query.get("type")
        key = self.module.key(owner, path[-1] if self.depth == 2 else path[2], kind)
        if request.method == "GET":
            return self.get(key, path)
        body = {} if request.method == "DELETE" else read_object(request)
        with self.objects.lock:
            if request.method == "DELETE":
                created = self.delete(key, path)
            elif request.method == "PATCH":
                created = self.patch(key, path, body)
            elif len(path) == self.depth:
                created = self.put(owner, path[-1], kind, body, request.body)
            else:
                created = self.put_child(key, path, body)
            self.note(request.method)
        return Answer(201 if created else 200, ocpi.envelope())

    def note(self, method: str) -> None:
        self.taken[method] += 1
        self.last_push = ocpi.format_time(ocpi.now())

    def get(self, key: str, path: Sequence[str]) -> Answer:
        item = self.known(key, path)
        nodes = self.nodes(item.document, path)
        return Answer(body=ocpi.envelope(msgspec.Raw(item.raw) if len(nodes) == 1 else nodes[-1]))

    def put(self, owner: Party, object_id: str, kind: str | None, body: Any, raw: bytes) -> bool:
        expected = {"country_code": owner[0], "party_id": owner[1]}
        if self.module.id_field:
            expected[self.module.id_field] = object_id
        if self.module.typed:
            expected["type"] = kind or "RFID"
        for name, value in expected.items():
            if str(body.get(name)).upper() != value.upper():
                raise OCPIError(2001, f"$.{name} is {body.get(name)!r}, but the URL says {value!r}")
        self.note_order(self.objects.get(self.module.key(owner, object_id, kind)), body)
        return self.objects.put(raw)

    def put_child(self, key: str, path: Sequence[str], body: Any) -> bool:
        id_field = self.module.children[len(path) - 4][1]
        if str(body.get(id_field)).upper() != path[-1].upper():
            raise OCPIError(2001, f"$.{id_field} is {body.get(id_field)!r}, but the URL says {path[-1]!r}")
        item = self.known(key, path)
        document = item.document
        created = documents.put_child(document, self.module, path[3:], body)
        if created is None:
            raise OCPIError(self.module.unknown, f"There is no {'/'.join(path[:-1])} here", 404)
        self.objects.put(ocpi.encode(document))
        return created

    def patch(self, key: str, path: Sequence[str], body: Any) -> bool:
        if not ocpi.parse_time(body.get("last_updated")):
            raise OCPIError(2001, "$.last_updated is missing or is no time")
        item = self.known(key, path)
        document = item.document
        nodes = self.nodes(document, path)
        if len(path) == 3:
            self.note_order(item, body)
        documents.merge(nodes, {**body, **self.appended(nodes[-1], body)})
        self.objects.put(ocpi.encode(document))
        return False

    def appended(self, document: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
        """The lists that grow (SES-08): what is there, then what is new."""
        grown = {}
        for name in self.module.appended:
            if name in body:
                there = document.get(name) or []
                grown[name] = there + [one for one in body[name] or [] if one not in there]
        return grown

    def delete(self, key: str, path: Sequence[str]) -> bool:
        self.known(key, path)
        self.objects.remove(key)
        return False

    def known(self, key: str, path: Sequence[str]) -> Item:
        item = self.objects.get(key)
        if item is None:
            raise OCPIError(self.module.unknown, f"There is no {'/'.join(path[:3])} here", 404)
        return item

    def nodes(self, document: Any, path: Sequence[str]) -> list[dict[str, Any]]:
        nodes = documents.descend(document, self.module, path[3:])
        if nodes is None:
            raise OCPIError(self.module.unknown, f"There is no {'/'.join(path)} here", 404)
        return nodes

    def note_order(self, known: Item | None, body: Any) -> None:
        moment = ocpi.parse_time(body.get("last_updated"))
        if known and known.last_updated and moment and moment < known.last_updated:
            self.stale += 1
