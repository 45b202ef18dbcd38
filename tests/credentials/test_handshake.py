"""The handshake where a partner does not see it: what is kept, told and held."""

import json
import logging
from datetime import UTC, datetime

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from credentials import handshake, tasks
from ocpi_hub.exchange.exceptions import HandshakeFailed
from ocpi_hub.exchange.models import Delivery, Lane, RepairRule
from ocpi_hub.partners import secrets
from ocpi_hub.partners.claims import Claim, ClaimRefused
from ocpi_hub.partners.models import IssuedToken, Party, Platform
from ocpi_hub.protocol.headers import authorization
from tests import examples
from tests.partners import Partner, enveloped

HOST = "new.example"
TOKEN_A, TOKEN_C = "invitation.of-the-partner", "credentials.of-the-partner"
CLAIM = Claim.parse("NL-NEW-CPO")


class Peer:
    """A partner that knows the handshake, from its side; `replies` go first."""

    def __init__(self, network):
        self.calls, self.replies, self.held, self.token = [], {}, [], TOKEN_C
        self.our_token = ""
        network.hosts[HOST] = self.answer

    def answer(self, request):
        self.calls.append(f"{request.method} {request.url.path}")
        self.held.append(connection.connection is not None)
        if request.method in ("POST", "PUT"):
            self.our_token = json.loads(request.content)["token"]
        reply = self.replies.get(self.calls[-1])
        if reply:
            return reply(request)
        return enveloped(self.data(request.url.path))

    def data(self, path):
        if path == "/versions":
            return [{"version": "2.2.1", "url": f"https://{HOST}/2.2.1"}]
        if path == "/2.2.1":
            names = [("credentials", "SENDER"), ("locations", "SENDER"), ("tokens", "RECEIVER")]
            return {
                "version": "2.2.1",
                "endpoints": [
                    {"identifier": module, "role": role, "url": f"https://{HOST}/{module}"}
                    for module, role in names
                ],
            }
        return self.credentials()

    def credentials(self):
        party = {"role": "CPO", "country_code": "NL", "party_id": "NEW", "business_details": {"name": "New"}}
        return {"token": self.token, "url": f"https://{HOST}/versions", "roles": [party]}


@pytest.fixture
def peer(network):
    return Peer(network)


def register():
    return handshake.register("New", f"https://{HOST}/versions", TOKEN_A, [CLAIM])


def text_columns():
    """Everything that is written in any text column of the database."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public' "
            "AND data_type IN ('text', 'character varying', 'jsonb', 'ARRAY')"
        )
        for table, column in cursor.fetchall():
            cursor.execute(f'SELECT "{column}"::text FROM "{table}" WHERE "{column}" IS NOT NULL')
            for (value,) in cursor.fetchall():
                yield f"{table}.{column}", value


def holders(*tokens):
    forms = [form for token in tokens for form in (token, authorization(token).partition(" ")[2])]
    return [place for place, value in text_columns() if any(form in value for form in forms)]


# ----------------------------------------------------------------------------------------------- secrets
def test_no_token_is_in_any_table_or_log_after_a_handshake(db, peer, caplog, deliver):
    caplog.set_level(logging.DEBUG)
    platform = register()
    partner = Partner(platform, peer.our_token, HOST, party="NL*NEW")
    partner.put("receiver/locations/NL/NEW/LOC1", examples.location(party_id="NEW"))
    deliver()

    assert platform.token == TOKEN_C
    assert holders(TOKEN_A, TOKEN_C, peer.our_token) == []
    for token in (TOKEN_A, TOKEN_C, peer.our_token):
        assert token not in caplog.text
        assert authorization(token) not in caplog.text


def test_an_invitation_is_kept_as_a_hash_only(db):
    platform, token = handshake.invite("New", [CLAIM])

    assert holders(token) == []
    assert IssuedToken.objects.get(platform=platform).digest == secrets.digests(token)[0]


def complain(request):
    """A partner that repeats what it was sent."""
    sent = request.headers["Authorization"].partition(" ")[2]
    body = json.loads(request.content)["token"] if request.content else ""
    return enveloped_message(f"who is {sent} alias {TOKEN_A}, or {body}?")


def enveloped_message(message):
    import httpx

    return httpx.Response(
        200, json={"status_code": 2000, "status_message": message, "timestamp": "2026-03-01T00:00:00Z"}
    )


@pytest.mark.parametrize("call", ["GET /versions", "GET /2.2.1", "POST /credentials"])
def test_a_failed_handshake_names_no_token_and_leaves_nothing(db, peer, caplog, call):
    caplog.set_level(logging.DEBUG)
    peer.replies[call] = complain
    with pytest.raises(HandshakeFailed) as failed:
        register()

    assert str(failed.value).startswith(f"{call.partition(' ')[0]} https://{HOST}")
    assert str(failed.value).count("***") >= 2
    for token in filter(None, (TOKEN_A, authorization(TOKEN_A).partition(" ")[2], peer.our_token)):
        assert token not in str(failed.value)
        assert token not in caplog.text
    assert (Platform.objects.count(), IssuedToken.objects.count(), Party.objects.count()) == (0, 0, 0)


@pytest.mark.usefixtures("transactional_db")
def test_no_connection_is_held_while_a_partner_is_called(peer):
    register()

    assert peer.calls == ["GET /versions", "GET /2.2.1", "POST /credentials"]
    assert peer.held == [False, False, False]


@pytest.mark.usefixtures("transactional_db")
def test_no_connection_is_held_while_we_are_called_back(peer):
    platform, token = handshake.invite("New", [CLAIM])
    partner = Partner(platform, token, HOST)
    answered = partner.request("POST", "credentials", peer.credentials())

    assert answered.codes == (200, 1000), answered.message
    assert peer.held == [False, False]


# --------------------------------------------------------------------------------------------- as the starter
def test_registering_takes_in_all_that_the_partner_is(db, peer):
    platform = register()

    assert (platform.status, platform.version, platform.base64_token) == ("CONNECTED", "2.2.1", True)
    assert [(row.key, row.roles) for row in platform.parties.all()] == [("NL*NEW", ["CPO"])]
    assert sorted(platform.endpoints.values_list("module", "role", "url")) == [
        ("credentials", "SENDER", f"https://{HOST}/credentials"),
        ("locations", "SENDER", f"https://{HOST}/locations"),
        ("tokens", "RECEIVER", f"https://{HOST}/tokens"),
    ]
    assert RepairRule.objects.filter(platform=platform).exists()
    assert platform.announced == handshake.announcement()


def test_a_partner_that_wants_its_token_raw_gets_it_raw(db, peer):
    def only_raw(request):
        if request.headers["Authorization"] != f"Token {TOKEN_A}":
            return enveloped(status_code=2000, http_status=401)
        return enveloped(peer.data(request.url.path))

    peer.replies["GET /versions"] = only_raw

    assert register().base64_token is False


def test_a_partner_is_registered_once(db, peer):
    platform = register()
    with pytest.raises(HandshakeFailed) as failed:
        register()

    assert str(failed.value) == f"{platform} is registered with this versions URL already"


def test_a_party_that_was_not_agreed_is_refused_and_nothing_stays(db, peer):
    with pytest.raises(Exception, match="NL-NEW-CPO was not agreed"):
        handshake.register("New", f"https://{HOST}/versions", TOKEN_A, [Claim.parse("NL-OLD-CPO")])

    assert Platform.objects.count() == 0


def test_a_party_of_another_is_refused_before_the_partner_is_told(db, cpo, peer):
    with pytest.raises(ClaimRefused, match=r"NL\*ABC already belongs to another platform"):
        handshake.register("New", f"https://{HOST}/versions", TOKEN_A, [Claim.parse("NL-ABC-CPO")])

    assert "POST /credentials" not in peer.calls


# ---------------------------------------------------------------------------------------- leaving and resetting
def test_leaving_stops_all_traffic_and_keeps_the_objects(cpo, emsp):
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    from ocpi_hub.exchange.messages import outbox

    outbox.expand()
    handshake.leave(emsp.platform)

    emsp.platform.refresh_from_db()
    assert (emsp.platform.status, emsp.platform.token_cipher) == ("SUSPENDED", "")
    assert not emsp.platform.issued_tokens.exists()
    assert not emsp.platform.endpoints.exists()
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.reason) == ("ABSORBED", "the partner ended its registration")
    assert emsp.get("sender/locations").codes == (401, 2000)


def test_a_reset_gives_a_new_invitation_and_nothing_else_works(cpo):
    token = handshake.reset(cpo.platform)

    cpo.platform.refresh_from_db()
    assert (cpo.platform.status, cpo.platform.registered) == ("PLANNED", False)
    assert cpo.get("sender/tokens").codes == (401, 2000)
    invited = Partner(cpo.platform, token, cpo.host)
    assert invited.get("/ocpi/versions").codes == (200, 1000)
    assert list(cpo.platform.issued_tokens.values_list("kind", flat=True)) == ["A"]


def test_registering_again_closes_the_breaker(db, peer):
    platform = register()
    Lane.objects.filter(platform=platform).update(failures=9)
    Platform.objects.filter(pk=platform.pk).update(status="OFFLINE", announced="")
    tasks.announce_changes()

    platform.refresh_from_db()
    assert platform.status == "CONNECTED"
    assert Lane.objects.get(platform=platform).failures == 0


# --------------------------------------------------------------------------------- telling of changed endpoints
def since(platform):
    return set(platform.endpoints.values_list("since", flat=True))


def test_what_is_pushed_to_a_partner_is_so_since_it_registered_and_a_renewal_leaves_that(db, peer):
    platform, long_ago = register(), datetime(2026, 3, 1, tzinfo=UTC)
    assert None not in since(platform)
    platform.endpoints.update(since=long_ago)
    Platform.objects.update(announced="")

    assert tasks.announce_changes() == 1

    assert since(platform) == {long_ago}


def test_who_comes_in_other_roles_is_pushed_to_from_then_on(db, peer):
    platform, long_ago = register(), datetime(2026, 3, 1, tzinfo=UTC)
    platform.endpoints.update(since=long_ago)
    platform.parties.update(roles=["EMSP"])
    Platform.objects.update(announced="")

    assert tasks.announce_changes() == 1

    assert since(platform).isdisjoint({long_ago, None})


def test_partners_that_know_our_endpoints_are_left_alone(db, peer):
    register()
    peer.calls.clear()

    assert tasks.announce_changes() == 0
    assert peer.calls == []


def test_partners_are_told_of_changes_and_both_tokens_are_exchanged(db, peer):
    platform = register()
    first = peer.our_token
    Platform.objects.update(announced="old")
    peer.token = "credentials.after-the-change"

    assert tasks.announce_changes() == 1
    platform.refresh_from_db()
    assert platform.token == "credentials.after-the-change"
    assert peer.our_token != first
    assert Partner(platform, peer.our_token, HOST).get("/ocpi/versions").codes == (200, 1000)
    assert Partner(platform, first, HOST).get("/ocpi/versions").codes == (401, 2000)


def test_a_partner_that_refuses_the_change_keeps_both_tokens(db, peer):
    platform = register()
    first = peer.our_token
    Platform.objects.update(announced="old")
    peer.replies["PUT /credentials"] = complain

    assert tasks.announce_changes() == 0
    platform.refresh_from_db()
    assert platform.token == TOKEN_C
    assert Partner(platform, first, HOST).get("/ocpi/versions").codes == (200, 1000)
    assert platform.issued_tokens.count() == 1


def test_a_partner_whose_token_cannot_be_read_does_not_keep_others_from_being_told(db, peer, cpo, caplog):
    platform = register()
    Platform.objects.update(announced="old")
    Platform.objects.filter(pk=cpo.platform.pk).update(token_cipher="written with a lost key")

    assert tasks.announce_changes() == 1
    platform.refresh_from_db()
    assert platform.announced == handshake.announcement()
    assert "could not be told that our endpoints changed: no key in HUB_KEYS reads this token" in caplog.text


# -------------------------------------------------------------------------------------------------- commands
def test_invite_prints_what_the_partner_needs(db, capsys, settings):
    call_command("invite", "--name=New", "--party=nl-new-cpo", "--party=NL-NEW-EMSP")
    printed = json.loads(capsys.readouterr().out)

    platform = Platform.objects.get()
    assert set(printed) == {"platform_id", "token", "versions_url"}
    assert printed["platform_id"] == platform.pk
    assert printed["versions_url"] == f"{settings.HUB_BASE_URL}/ocpi/versions"
    assert platform.parties.get().invited_roles == ["CPO", "EMSP"]
    assert platform.status == "PLANNED"
    assert Partner(platform, printed["token"], HOST).get("/ocpi/versions").codes == (200, 1000)


@pytest.mark.parametrize(
    ("party", "reason"),
    [
        ("NLNEW", "'NLNEW' is not of the form NL-ABC-CPO: country code, party id, role"),
        ("NL-NEW-BOSS", "'NL-NEW-BOSS' names a role that is none of CPO, EMSP, HUB, NAP, NSP, OTHER, SCSP"),
        ("NL-ABC-CPO", "NL*ABC already belongs to another platform of this hub"),
    ],
)
def test_invite_says_in_one_line_why_not(cpo, party, reason):
    with pytest.raises(CommandError) as failed:
        call_command("invite", name="New", party=[party])

    assert str(failed.value) == reason
    assert Platform.objects.count() == 1


def test_register_prints_the_new_platform(db, peer, capsys):
    call_command(
        "register", name="New", versions_url=f"https://{HOST}/versions", token=TOKEN_A, party=["NL-NEW-CPO"]
    )

    assert json.loads(capsys.readouterr().out) == {
        "platform_id": Platform.objects.get().pk,
        "version": "2.2.1",
        "parties": ["NL-NEW-CPO"],
        "modules": ["credentials", "locations", "tokens"],
    }


@pytest.mark.parametrize(
    ("token", "url", "reason"),
    [
        (
            TOKEN_A,
            "https://nobody.example/v",
            "GET https://nobody.example/v: nobody.example: connection refused",
        ),
        (
            "two words",
            f"https://{HOST}/versions",
            "a credentials token has 1 to 64 printable ASCII characters",
        ),
    ],
)
def test_register_says_in_one_line_why_not(db, peer, token, url, reason):
    with pytest.raises(CommandError) as failed:
        call_command("register", name="New", versions_url=url, token=token)

    assert str(failed.value).startswith(reason)
    assert "\n" not in str(failed.value)
    assert Platform.objects.count() == 0


# ------------------------------------------------------------- what happens while the partner is called back
def call(method, token, body):
    return Client().generic(
        method,
        "/ocpi/2.2.1/credentials",
        json.dumps(body),
        content_type="application/json",
        headers={"Authorization": authorization(token)},
    )


def while_called_back(peer, act):
    """Do something when the hub asks for our versions, in the middle of the handshake."""

    def reply(request):
        peer.replies.clear()
        act()
        return enveloped(peer.data("/versions"))

    peer.replies["GET /versions"] = reply


def test_a_renewal_that_the_operator_overtook_changes_nothing(db, peer):
    platform, token_a = handshake.invite("New", [CLAIM])
    token = json.loads(call("POST", token_a, peer.credentials()).content)["data"]["token"]
    before = Platform.objects.values().get()
    while_called_back(peer, lambda: handshake.reset(platform))

    answered = call("PUT", token, peer.credentials() | {"token": "stolen.token"})

    assert answered.status_code == 401
    assert list(IssuedToken.objects.values_list("kind", flat=True)) == ["A"]
    after = Platform.objects.values().get()
    assert after == before | {"token_cipher": "", "status": "PLANNED"}


def test_a_registration_that_the_operator_suspended_meanwhile_is_refused(db, peer):
    platform, token_a = handshake.invite("New", [CLAIM])
    while_called_back(peer, lambda: handshake.leave(platform))

    answered = call("POST", token_a, peer.credentials())

    platform.refresh_from_db()
    assert answered.status_code == 401
    assert (platform.status, platform.token_cipher, IssuedToken.objects.count()) == ("SUSPENDED", "", 0)


def test_an_announcement_does_not_bring_back_a_partner_that_left_meanwhile(db, peer):
    platform, token_a = handshake.invite("New", [CLAIM])
    call("POST", token_a, peer.credentials())
    platform.refresh_from_db()
    while_called_back(peer, lambda: handshake.leave(Platform.objects.get()))

    with pytest.raises(HandshakeFailed, match="the connection changed meanwhile"):
        handshake.announce(platform)

    platform.refresh_from_db()
    assert (platform.status, platform.token_cipher, IssuedToken.objects.count()) == ("SUSPENDED", "", 0)


@pytest.mark.parametrize("url", ["http://[::1", "http://new.example:99999/x", "http://:80/x"])
def test_an_endpoint_that_cannot_be_called_is_refused(db, peer, url):
    endpoints = [
        {"identifier": "credentials", "role": "SENDER", "url": f"https://{HOST}/credentials"},
        {"identifier": "locations", "role": "SENDER", "url": url},
    ]
    peer.replies["GET /2.2.1"] = lambda request: enveloped({"version": "2.2.1", "endpoints": endpoints})
    _, token_a = handshake.invite("New", [CLAIM])

    answered = json.loads(call("POST", token_a, peer.credentials()).content)

    assert answered["status_code"] == 3001
    assert (
        answered["status_message"] == f"https://{HOST}/2.2.1 lists an address that cannot be called: {url!r}"
    )
    assert Platform.objects.get().token_cipher == ""


def test_a_module_with_a_name_that_is_too_long_is_passed_over(db, peer):
    data = peer.data("/2.2.1")
    data["endpoints"].append({"identifier": "x" * 200, "role": "SENDER", "url": f"https://{HOST}/x"})
    peer.replies["GET /2.2.1"] = lambda request: enveloped(data)
    platform, token_a = handshake.invite("New", [CLAIM])

    answered = json.loads(call("POST", token_a, peer.credentials()).content)

    assert answered["status_code"] == 1000
    assert sorted({row.module for row in platform.endpoints.all()}) == ["credentials", "locations", "tokens"]


def test_too_many_parameters_are_no_fault_of_the_hub(cpo):
    answered = cpo.get("sender/tokens?" + "&".join(f"a{number}=1" for number in range(3_000)))

    assert answered.codes == (400, 2000)
