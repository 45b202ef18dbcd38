"""The contract of a Client Owned Object, run over every module that is switched on."""

import json
from typing import Any
from urllib.parse import quote

import pytest

from ocpi_hub.exchange.objects.ownedobject import owned_models
from tests.conformance.calls import METHODS, ODD_METHODS, enveloped, nothing_changes, raw, send, to
from tests.conformance.modules import (
    MODULES,
    PATCHED,
    PUT_TO_ITS_ADDRESS,
    UPDATED,
    UPDATES,
    Module,
    over,
    over_methods,
)
from tests.partners import Partner

LATER, EARLIER = "2026-03-02T08:00:00Z", "2026-02-01T08:00:00Z"


@pytest.fixture(params=MODULES, ids=lambda module: module.name)
def module(request: pytest.FixtureRequest) -> Module:
    return request.param


class Cast:
    """Who takes part, for one module. Those of whom a test does not speak need not register."""

    ROLES = ("owner", "audience", "rival", "stranger")

    def __init__(self, module: Module, request: pytest.FixtureRequest) -> None:
        self.module, self.request = module, request
        self.owner, self.audience = self["owner"], self["audience"]

    def __getitem__(self, role: str) -> Partner:
        name: str = "stranger" if role == "stranger" else getattr(self.module, role)
        partner: Partner = self.request.getfixturevalue(name)
        return partner


@pytest.fixture
def cast(module: Module, request: pytest.FixtureRequest, db: None) -> Cast:
    return Cast(module, request)


@pytest.fixture
def stored(module: Module, cast: Cast) -> dict[str, Any]:
    """One object, as it was pushed."""
    made = module.make()
    assert module.push(cast.owner, made).codes == (201, 1000)
    return made


def test_every_module_that_is_switched_on_has_its_row():
    routed = [name for name, model in owned_models().items() if model.routed]

    assert [module.name for module in MODULES] == routed


# ------------------------------------------------------------------------------------------- PUT and PATCH
@pytest.mark.row("RSP-08", "RSP-03")
def test_a_new_object_is_201_without_data_and_is_returned_by_get(module, cast):
    answered = module.push(cast.owner, module.make())

    assert answered.codes == (201, 1000)
    assert "data" not in answered.envelope
    assert cast.owner.get(module.path()).data == module.make()


@over(UPDATED)
@pytest.mark.row("RSP-08", "RSP-03")
def test_an_update_is_200_without_data(module, cast, stored):
    answered = module.push(cast.owner, module.make(last_updated=LATER))

    assert answered.codes == (200, 1000)
    assert "data" not in answered.envelope


@over([module for module in MODULES if module.immutable])
def test_what_never_changes_is_200_when_it_comes_again_and_refused_when_it_differs(module, cast, stored):
    name, value = module.optional

    with nothing_changes():
        again = module.push(cast.owner, stored)
        changed = module.push(cast.owner, module.make(**{name: value, "last_updated": LATER}))

    assert (again.codes, changed.codes) == ((200, 1000), (200, 2001))
    assert cast.owner.get(module.path()).data == stored


@over(UPDATED)
@pytest.mark.row("MET-02", "LOC-07")
def test_put_replaces_the_object_whole(module, cast):
    name, value = module.optional
    module.push(cast.owner, module.make(**{name: value}))

    module.push(cast.owner, module.make(last_updated=LATER))

    assert cast.owner.get(module.path()).data == module.make(last_updated=LATER)


@over(PATCHED)
@pytest.mark.row("MET-03", "LOC-09")
def test_patch_changes_the_named_fields_only(module, cast, stored):
    name, value = module.optional

    answered = cast.owner.patch(module.path(), {name: value, "last_updated": LATER})

    assert answered.codes == (200, 1000)
    assert cast.owner.get(module.path()).data == {**stored, name: value, "last_updated": LATER}


@over(PATCHED)
@pytest.mark.row("MET-13", "RSP-10")
def test_patch_without_last_updated_is_refused(module, cast, stored):
    name, value = module.optional

    with nothing_changes():
        answered = cast.owner.patch(module.path(), {name: value})

    assert answered.codes == (200, 2001)
    assert answered.message.startswith("$.last_updated: ")


@over(PATCHED)
def test_patch_of_an_unknown_object_is_refused(module, cast):
    with nothing_changes():
        answered = cast.owner.patch(module.path(), {"last_updated": LATER})

    assert answered.codes == (404, module.model.unknown)


@pytest.mark.row("MET-01", "RSP-06")
def test_a_push_without_a_required_field_is_refused_by_its_name(module, cast, stored):
    made = module.make(last_updated=LATER)
    del made[module.required]

    with nothing_changes():
        answered = module.push(cast.owner, made)

    assert answered.codes == (200, 2001)
    assert answered.message == f"$.{module.required}: required field is missing"


@over(PATCHED)
@pytest.mark.row("MET-01")
def test_patch_may_not_take_a_required_field_away(module, cast, stored):
    with nothing_changes():
        answered = cast.owner.patch(module.path(), {module.required: None, "last_updated": LATER})

    assert answered.codes == (200, 2001)
    assert answered.message == f"$.{module.required}: required, so null is not allowed"


@over_methods(PUT_TO_ITS_ADDRESS)
@pytest.mark.row("MET-08", "LOC-12")
def test_another_id_in_the_body_is_refused(module, cast, stored, method):
    body = module.make(**{module.id_field: "OTHER", "last_updated": LATER})

    with nothing_changes():
        answered = cast.owner.request(method, module.path(), body)

    assert answered.codes == (200, 2001)
    assert answered.message == f"$.{module.id_field}: the body has 'OTHER', the URL {module.id!r}"


@over_methods(PUT_TO_ITS_ADDRESS)
@pytest.mark.row("MET-09")
@pytest.mark.parametrize(("field", "value"), [("country_code", "ZZ"), ("party_id", "ZZZ")])
def test_another_owner_in_the_body_is_refused(module, cast, stored, method, field, value):
    with nothing_changes():
        answered = cast.owner.request(
            method, module.path(), module.make(**{field: value, "last_updated": LATER})
        )

    assert answered.codes == (200, 2001)
    assert answered.message.startswith(f"$.{field}: the body has {value!r}, the URL ")


@over_methods(UPDATES)
def test_an_older_push_is_accepted_and_left_out(module, cast, stored, method):
    name, value = module.optional

    with nothing_changes():
        answered = cast.owner.request(
            method, module.path(), module.make(**{name: value, "last_updated": EARLIER})
        )

    assert answered.codes == (200, 1000)


@over_methods(UPDATES)
def test_a_push_of_the_same_moment_counts(module, cast, stored, method):
    name, value = module.optional

    answered = cast.owner.request(method, module.path(), module.make(**{name: value}))

    assert answered.codes == (200, 1000)
    assert cast.owner.get(module.path()).data == {**stored, name: value}


@pytest.mark.row("TYP-01")
def test_ids_compare_without_case_and_keep_their_spelling(module, cast, stored):
    lower = module.path().lower()

    assert cast.owner.get(lower).data == stored
    assert module.push(cast.owner, {**stored, module.id_field: module.id.lower()}).http_status == 200
    assert cast.audience.get(module.list()).headers["X-Total-Count"] == "1"


@over(UPDATED)
@pytest.mark.row("TYP-01")
def test_an_address_in_other_case_is_the_same_one(module, cast, stored):
    lower = module.path().lower()

    assert cast.owner.put(lower, module.make(last_updated=LATER)).codes == (200, 1000)

    assert cast.owner.get(module.path()).data == module.make(last_updated=LATER)
    assert cast.audience.get(module.list()).data == [module.make(last_updated=LATER)]


@pytest.mark.row("MET-05")
def test_the_owner_is_part_of_the_key(module, cast, stored):
    rival = cast["rival"]
    country_code, party_id = rival.party.split("*")
    theirs = module.make(country_code=country_code, party_id=party_id)

    answered = module.push(rival, theirs)

    assert answered.codes == (201, 1000)
    assert cast.owner.get(module.path()).data == stored
    assert rival.get(module.path(owner=rival.party)).data == theirs
    assert cast.audience.get(module.list()).data == [stored, theirs]


# -------------------------------------------------------------------------------------- what is stored
UNKNOWN = {"x_tariff": {"currency": "EUR", "list": [1, 2.50, None]}}


def test_unknown_fields_survive(module, cast, deliver):
    made = module.make(**UNKNOWN)

    module.push(cast.owner, made)
    deliver()

    assert cast.owner.get(module.path()).data == made
    assert cast.audience.get(module.list()).data == [made]
    assert [call.body for call in cast.audience.received(module.push_method)] == [made]


@over(PATCHED)
def test_unknown_fields_survive_a_patch(module, cast):
    module.push(cast.owner, module.make(**UNKNOWN))

    cast.owner.patch(module.path(), {"x_more": True, "last_updated": LATER})

    expected = module.make(**UNKNOWN, x_more=True, last_updated=LATER)
    assert cast.owner.get(module.path()).data == expected
    assert cast.audience.get(module.list()).data == [expected]


def test_the_document_is_kept_and_sent_on_byte_for_byte(module, cast, deliver):
    body = json.dumps(module.make(x=1), indent=1, ensure_ascii=True).encode()
    body = body.replace(b'"x": 1', b'"x":  1.50E+2, "\\u00e4": "\\/ \\ud83d\\ude97 \xf0\x9f\x9a\x97"')

    answered = cast.owner.request(module.push_method, module.target(module.push_method), body)
    deliver()

    assert answered.codes == (201, 1000)
    assert module.model.objects.get().document.encode() == body
    assert b'{"data":[' + body + b"]," in cast.audience.get(module.list()).body
    assert cast.audience.received()[0].body == json.loads(body)


@pytest.mark.row("TRN-20")
@pytest.mark.parametrize("nothing", [None, []], ids=["null", "empty"])
def test_null_an_empty_list_and_a_missing_field_are_the_same(module, cast, nothing):
    lists = dict.fromkeys(module.lists, nothing)
    made = module.make(**lists, **({} if nothing == [] else {module.optional[0]: None}))

    assert module.push(cast.owner, made).codes == (201, 1000)

    data = cast.owner.get(module.path()).data
    plain = {name: value for name, value in module.make().items() if name not in module.lists}
    assert {name: value for name, value in data.items() if value not in (None, [])} == plain


@pytest.mark.row("HUB-27")
@pytest.mark.parametrize(
    "moment", ["2026-03-01T08:00:00Z", "2026-03-01T08:00:00", "2026-03-01T08:00:00.123Z"]
)
def test_last_updated_leaves_as_it_came(module, cast, deliver, moment):
    module.push(cast.owner, module.make(last_updated=moment))
    deliver()

    assert cast.owner.get(module.path()).data["last_updated"] == moment
    assert cast.audience.get(module.list()).data[0]["last_updated"] == moment
    assert cast.audience.received()[0].body["last_updated"] == moment


# ----------------------------------------------------------------------------------- what is not there
@pytest.mark.row("RSP-07", "RSP-04")
def test_get_of_an_unknown_object_is_404(module, cast):
    answered = cast.owner.get(module.path())

    assert answered.codes == (404, module.model.unknown)
    assert "data" not in answered.envelope


OUTSIDE_THE_MATRIX = [
    pytest.param(module, role, method, id=f"{module.name}-{role}-{method}")
    for module in MODULES
    for role in ("sender", "receiver")
    for method in (*METHODS, *ODD_METHODS)
    if method not in module.methods(role)
]


@pytest.mark.row("MET-12", "MET-06", "TOK-01", "TOK-03", "TAR-03", "CDR-03", "SES-06")
@pytest.mark.parametrize(("module", "role", "method"), OUTSIDE_THE_MATRIX, indirect=["module"])
def test_methods_outside_the_matrix_are_405(module, cast, stored, role, method):
    url = module.path() if role == "receiver" else module.endpoint("sender")

    with nothing_changes():
        response = send(method, url, json.dumps(module.make()).encode(), **cast.owner.headers())

    assert response.status_code == 405
    assert response.headers["Allow"] == ", ".join(module.methods(role))
    if method != "HEAD":
        assert enveloped(response).status_code == 2000


@pytest.mark.parametrize("rest", ["", "/NL", "/NL/ABC", "/NL/ABC/1/2/3/4", "/NL/ABC/1/2/3/4/5"])
def test_there_is_nothing_at_paths_of_another_length(module, cast, rest):
    url = module.endpoint("receiver") + rest
    methods = [method for method in module.methods("receiver") if module.target(method) != url]

    with nothing_changes():
        answers = [raw(cast.owner, method, url, json.dumps(module.make()).encode()) for method in methods]

    assert {answered.codes for answered in answers} == {(404, 2000)}


# -------------------------------------------------------------------------------------------------- lists
@pytest.fixture
def five(module: Module, cast: Cast) -> list[dict[str, Any]]:
    """Five objects, pushed in this order, of falling last_updated."""
    made = [module.named(f"N{n}", last_updated=f"2026-03-0{9 - n}T08:00:00Z") for n in range(5)]
    for document in made:
        assert module.push(cast.owner, document).codes == (201, 1000)
    return made


@pytest.mark.row("PAG-01", "PAG-05", "PAG-08", "PAG-11")
def test_a_list_comes_in_pages_with_the_three_headers(module, cast, five):
    page = cast.audience.get(module.list(limit=2))

    assert page.codes == (200, 1000)
    assert page.data == five[:2]
    assert (page.headers["X-Total-Count"], page.headers["X-Limit"]) == ("5", "2")
    assert page.headers["Link"].endswith('>; rel="next"')


@pytest.mark.row("PAG-06", "PAG-07", "PAG-12")
def test_the_oldest_created_object_comes_first(module, cast, five):
    assert cast.audience.crawl(module.list(limit=2)) == five
    assert cast.audience.crawl(module.list(limit=2)) == five


@over(UPDATED)
@pytest.mark.row("PAG-06", "PAG-07")
def test_an_update_changes_nothing_in_the_order(module, cast, five):
    first = module.named("N0", last_updated="2026-04-01T00:00:00Z")

    module.push(cast.owner, first)

    assert cast.audience.crawl(module.list(limit=2)) == [first, *five[1:]]


@pytest.mark.row("PAG-03", "PAG-04")
def test_a_list_is_filtered_by_last_updated(module, cast, five):
    found = cast.audience.get(module.list(date_from="2026-03-06T08:00:00Z", date_to="2026-03-08T08:00:00Z"))

    assert found.data == five[2:4]
    assert found.headers["X-Total-Count"] == "2"


# --------------------------------------------------------------------------------------- who may see it
@pytest.mark.row("TRN-04", "PAG-10")
def test_lists_show_what_a_push_would_have_sent(module, cast, stored):
    seen = {
        name: (answered.data, answered.headers["X-Total-Count"])
        for name in Cast.ROLES
        if (answered := cast[name].get(module.list()))
    }

    assert seen == {
        "owner": ([], "0"),
        "audience": ([stored], "1"),
        "rival": ([], "0"),
        "stranger": ([], "0") if module.addressed else ([stored], "1"),
    }


@pytest.mark.row("MET-07", "TRN-04", "CRED-26")
@pytest.mark.parametrize("who", ["audience", "rival", "stranger"])
@pytest.mark.parametrize("method", METHODS)
def test_nobody_else_reads_or_writes_at_the_owners_address(module, cast, stored, who, method):
    other = cast[who]
    body = json.dumps(module.make(last_updated=LATER)).encode()

    with nothing_changes():
        answered = raw(other, method, module.target(method), body)

    assert answered.codes == ((404, 2001) if method in module.methods("receiver") else (405, 2000))
    assert "data" not in answered.envelope
    assert cast.owner.get(module.path()).data == stored


@pytest.mark.parametrize("who", ["audience", "rival", "stranger"])
@over_methods([(module, method) for module in MODULES for method in module.receiver_methods])
def test_nobody_else_speaks_in_the_owners_name(module, cast, stored, who, method):
    other, owner = cast[who], cast.owner.headers()
    owner.pop("Authorization")

    with nothing_changes():
        body = json.dumps(module.make(last_updated=LATER)).encode()
        answered = raw(other, method, module.target(method), body, **owner)

    assert answered.codes == (200, 2001)
    assert answered.message == f"OCPI-from names {cast.owner.party}, which is no party of your platform"


@pytest.mark.parametrize("role", ["sender", "receiver"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("token", [None, "unknown.token"], ids=["no token", "unknown token"])
def test_without_a_known_token_nothing_opens(module, cast, stored, role, method, token):
    url = module.target(method) if role == "receiver" else module.endpoint("sender")

    with nothing_changes():
        answered = enveloped(send(method, url, json.dumps(module.make()).encode(), token=token))

    assert answered.codes == (401, 2000)
    assert answered.headers["WWW-Authenticate"] == "Token"


def test_the_owner_writes_from_the_party_it_names_only(module, cast):
    """A platform with two parties pushes each one's objects in that one's name."""
    country_code, party_id, role = (*cast.owner.party.split("*"), module.model.owner_role)
    cast.owner.platform.parties.create(country_code="LU", party_id="TWO", roles=[role])

    with nothing_changes():
        answered = module.push(
            cast.owner, module.make(), **{"OCPI-from-country-code": "LU", "OCPI-from-party-id": "TWO"}
        )

    assert answered.codes == (404, 2001)
    owner = f"{country_code}*{party_id}"
    assert answered.message == (
        f"LU*TWO sends this, and {module.model.module} of {owner} are pushed and read here by {owner} only, as {role}"
    )


def test_a_party_without_the_owners_role_owns_nothing(module, cast):
    """The audience's own party, in the address and in the body, is still no owner in this module."""
    country_code, party_id = cast.audience.party.split("*")
    made = module.make(country_code=country_code, party_id=party_id)

    with nothing_changes():
        answered = module.push(cast.audience, made)

    assert answered.codes == (404, 2001)


def test_a_push_addressed_to_the_hub_reaches_whoever_may_see_it(module, cast, deliver):
    stranger, rival = cast["stranger"], cast["rival"]

    assert module.push(cast.owner, module.make(), **to("NL*HUB")).codes == (201, 1000)

    assert deliver() == (1 if module.addressed else 2)
    assert [call.body for call in cast.audience.received()] == [module.make()]
    assert [call.body for call in stranger.received()] == ([] if module.addressed else [module.make()])
    assert rival.received() == []


# ----------------------------------------------------------------------------------------- bad input
def with_x(text: str) -> Any:
    """A valid object with an unknown field that holds this JSON."""
    return lambda module: json.dumps(module.make(x="?")).replace('"?"', text).encode()


def whole(body: bytes) -> Any:
    return lambda module: body


MALFORMED = {
    "empty": whole(b""),
    "blank": whole(b" \n"),
    "an open brace": whole(b"{"),
    "two values": lambda module: json.dumps(module.make()).encode() * 2,
    "a trailing comma": with_x("1,"),
    "single quotes": whole(b"{'id': 'LOC1'}"),
    "a comment": with_x("1 /* one */"),
    "NaN": with_x("NaN"),
    "infinity": with_x("-Infinity"),
    "a number with a leading zero": with_x("01"),
    "a bare control character": with_x('"a\nb"'),
    "an unknown escape": with_x('"\\x"'),
    "no UTF-8": lambda module: json.dumps(module.make(x="?")).encode().replace(b"?", b"\xff"),
    "UTF-16": lambda module: json.dumps(module.make()).encode("utf-16"),
    "a byte order mark": lambda module: b"\xef\xbb\xbf" + json.dumps(module.make()).encode(),
    "nested 100,000 deep": with_x("[" * 100_000 + "]" * 100_000),
    "a form": whole(b"country_code=NL&party_id=ABC"),
    "HTML": whole(b"<!doctype html><title>Hi</title>"),
}


@pytest.mark.row("RSP-05", "RSP-04")
@pytest.mark.parametrize("kind", MALFORMED)
def test_what_is_no_json_is_400(module, cast, stored, kind):
    body = MALFORMED[kind](module)

    with nothing_changes():
        answers = [raw(cast.owner, method, module.target(method), body) for method in module.writes]

    assert {answered.codes for answered in answers} == {(400, 2000)}


REFUSED = {
    "an array": (whole(b"[]"), "$: an object is expected"),
    "a string": (whole(b'"text"'), "$: an object is expected"),
    "a number": (whole(b"7"), "$: an object is expected"),
    "null": (whole(b"null"), "$: an object is expected"),
    "true": (whole(b"true"), "$: an object is expected"),
    "U+0000": (with_x('"a\\u0000b"'), "$.x: holds the character U+0000"),
    "half a surrogate pair": (with_x('"\\ud83d"'), "$.x: holds half of a surrogate pair"),
    "a huge exponent": (with_x("1E+999999999"), "$.x: number with an exponent beyond 12"),
    "a tiny exponent": (with_x("1e-13"), "$.x: number with an exponent beyond 12"),
    "a number of 31 digits": (with_x("1" * 31), "$.x: number of more than 30 digits"),
    "a number of 5,000 digits": (with_x("1" * 5_000), "$.x: number of more than 30 digits"),
    "nested 33 deep": (with_x("[" * 32 + "]" * 32), "$: nested deeper than 32"),
    "nested 1,000 deep": (with_x('{"a":' * 500 + "1" + "}" * 500), "$: nested deeper than 32"),
}


@pytest.mark.row("RSP-06")
@pytest.mark.parametrize("kind", REFUSED)
def test_json_beyond_the_limits_is_2001_and_names_the_place(module, cast, stored, kind):
    body, message = REFUSED[kind]

    with nothing_changes():
        answers = [raw(cast.owner, method, module.target(method), body(module)) for method in module.writes]

    assert {(answered.codes, answered.message) for answered in answers} == {((200, 2001), message)}


def wrong_fields(module: Module) -> dict[str, tuple[str, Any, str]]:
    """A name, the field, a value that it may not have, and what the hub says about it."""
    text, length = module.text
    line_feed = "not a currency code of three letters" if text == "currency" else "holds a control character"
    its_booleans = {
        "text for a boolean": (module.boolean, "true", "neither true nor false, but text; leave out the quotes"),
        "a number for a boolean": (module.boolean, 1, "neither true nor false"),
    }  # fmt: skip
    in_its_address = {
        "a country of three letters": ("country_code", "NLD", "longer than 2 characters"),
    }
    return {
        "a number for text": (text, 7, "not a string, but a number; put it into quotes"),
        "an object for text": (text, {}, "not a string"),
        "over-long text": (text, "x" * (length + 1), f"longer than {length} characters"),
        "a line feed in text": (text, "a\nb", line_feed),
        "a time without a day": ("last_updated", "08:00:00Z", "not a timestamp such as 2026-01-01T00:00:00Z"),
        "a day that is none": (
            "last_updated", "2026-02-30T08:00:00Z", "not a timestamp such as 2026-01-01T00:00:00Z",
        ),
        "a number for a time": ("last_updated", 1, "not a timestamp such as 2026-01-01T00:00:00Z"),
        **(its_booleans if module.boolean else {}),
        **(in_its_address if module.push_method == "PUT" else {}),
    }  # fmt: skip


WRONG_FIELDS = [
    pytest.param(module, kind, id=f"{module.name}-{kind}")
    for module in MODULES
    for kind in wrong_fields(module)
]


@pytest.mark.row("TYP-09", "RSP-06")
@pytest.mark.parametrize(("module", "kind"), WRONG_FIELDS, indirect=["module"])
def test_a_wrong_value_is_2001_and_names_the_field(module, cast, stored, kind):
    field, value, problem = wrong_fields(module)[kind]
    body = module.make(**{"last_updated": LATER, field: value})

    with nothing_changes():
        answers = [cast.owner.request(method, module.target(method), body) for method in module.writes]

    assert {(answered.codes, answered.message) for answered in answers} == {
        ((200, 2001), f"$.{field}: {problem}")
    }


@pytest.mark.row("TYP-08")
def test_a_value_that_is_none_of_the_list_is_2001(module, cast):
    with nothing_changes():
        answered = module.push(cast.owner, module.make(**{module.enum: "nonsense"}))

    assert answered.codes == (200, 2001)
    assert answered.message.startswith(f"$.{module.enum}: 'nonsense' is not one of ")


# ------------------------------------------------------------------------------------ headers and addresses
@pytest.mark.row("TRN-10")
@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "application/json; charset=utf-8",
        "application/json;charset=latin-1",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "multipart/form-data; boundary=x",
        "nonsense",
        "a/b;;;=",
        "application/xml",
    ],
)
def test_a_body_is_json_whatever_its_content_type_says(module, cast, content_type):
    body, method = json.dumps(module.make()).encode(), module.push_method

    assert raw(cast.owner, method, module.target(method), body, content_type=content_type).codes == (
        201,
        1000,
    )
    assert cast.owner.get(module.path()).data == module.make()


@pytest.mark.parametrize("accept", ["", "text/html", "application/xml", "image/*;q=0.1", "nonsense"])
def test_an_answer_is_json_whatever_is_asked_for(module, cast, stored, accept):
    assert raw(cast.owner, "GET", module.path(), Accept=accept).data == stored


@pytest.mark.parametrize(
    "object_id", ["A*B", "A/B", "A B", "#NA", "100%", "%2F", ".", "..", "a.b", "A?b=c", "&=;", "~"]
)
def test_ids_with_reserved_characters_go_the_whole_way(module, cast, deliver, object_id):
    """In the address each is percent-encoded, and it is decoded once (interpretations, P16)."""
    made, method = module.named(object_id), module.push_method
    encoded = quote(object_id, safe="")

    assert raw(cast.owner, method, module.target(method, encoded), json.dumps(made).encode()).codes == (
        201,
        1000,
    )
    assert raw(cast.owner, "GET", module.path(encoded)).data == made
    deliver()

    [call] = cast.audience.received()
    sent = object_id.replace(".", "%2E") if object_id in (".", "..") else encoded
    below = module.target(method, sent).removeprefix("/ocpi/2.2.1")
    assert call.path.partition("?")[0] == below
    assert call.body == made


@pytest.mark.parametrize("object_id", ["%C3%A4", "%00", "a%7F", "%0A", "%FF", "too long"])
def test_what_is_no_id_in_the_address_is_refused(module, cast, object_id):
    url = module.path("x" * (module.id_length + 1) if object_id == "too long" else object_id)
    methods = [method for method in module.receiver_methods if method != "POST"]

    with nothing_changes():
        answers = [raw(cast.owner, method, url, json.dumps(module.make()).encode()) for method in methods]

    assert {answered.codes for answered in answers} <= {(200, 2001), (404, 2000)}
    assert len({answered.codes for answered in answers}) == 1


def test_addresses_may_end_with_a_slash(module, cast):
    method = module.push_method

    assert cast.owner.request(method, module.target(method) + "/", module.make()).codes == (201, 1000)
    assert cast.owner.get(module.path() + "/").data == module.make()
    assert cast.audience.get(module.list().replace("?", "/?")).data == [module.make()]


@pytest.mark.parametrize("role", ["sender", "receiver"])
@pytest.mark.parametrize("url", ["{}x", "{}/../../credentialsx", "{}//"])
def test_addresses_beside_the_module_are_answered_in_an_envelope(module, cast, role, url):
    body = json.dumps(module.make()).encode()

    with nothing_changes():
        answers = [
            raw(cast.owner, method, url.format(module.endpoint(role)), body)
            for method in (*METHODS, "OPTIONS", "NONSENSE")
        ]

    assert {answered.http_status for answered in answers} <= {200, 404, 405}
    assert {answered.status_code for answered in answers} <= {2000, 2001, module.model.unknown}
