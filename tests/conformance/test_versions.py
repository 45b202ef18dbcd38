"""VER rows: what the hub says of its versions, and how it reads those of partners."""

import pytest

from credentials import handshake, tasks
from ocpi_hub.partners.models import IssuedToken, Platform
from tests.conformance.calls import nothing_changes, raw
from tests.conformance.peers import Peer, at
from tests.partners import Partner
from tests.partners import enveloped as answer

pytestmark = pytest.mark.django_db

HUB = "http://127.0.0.1:8000/ocpi"


@pytest.fixture
def peer(network) -> Peer:
    peer = Peer(network)
    peer.invitation()
    return peer


@pytest.mark.row("VER-01")
def test_the_versions_endpoint_lists_the_versions_with_their_urls(peer):
    assert peer.call("GET", "versions").data == [{"version": "2.2.1", "url": f"{HUB}/2.2.1"}]


@pytest.mark.row("VER-02", "VER-03", "VER-04")
def test_every_listed_version_has_its_details(peer, settings):
    for listed in peer.call("GET", "versions").data:
        answered = peer.call("GET", listed["url"].removeprefix(f"{HUB}/"))

        assert answered.codes == (200, 1000)
        assert answered.data == {
            "version": listed["version"],
            "endpoints": [
                {"identifier": "credentials", "role": "SENDER", "url": f"{HUB}/2.2.1/credentials"},
                *(
                    {"identifier": module, "role": role, "url": f"{HUB}/2.2.1/{role.lower()}/{module}"}
                    for module in settings.OCPI_MODULES
                    for role in ("SENDER", "RECEIVER")
                ),
            ],
        }


@pytest.mark.row("VER-05")
def test_the_hub_lists_its_credentials_endpoint_once_as_sender(peer):
    rows = peer.call("GET", "2.2.1").data["endpoints"]

    assert [row["role"] for row in rows if row["identifier"] == "credentials"] == ["SENDER"]


@pytest.mark.row("VER-04")
def test_sender_is_for_pulling_and_receiver_for_pushing(cpo: Partner, emsp: Partner):
    urls = {
        (row["identifier"], row["role"]): row["url"].removeprefix("http://127.0.0.1:8000")
        for row in cpo.get("/ocpi/2.2.1").data["endpoints"]
    }

    for module in ("locations", "tokens"):
        assert raw(emsp, "GET", urls[module, "SENDER"]).codes == (200, 1000)
        assert raw(emsp, "PUT", urls[module, "SENDER"]).codes == (405, 2000)
        assert raw(cpo, "GET", urls[module, "RECEIVER"]).codes == (404, 2000)


@pytest.mark.parametrize("path", ["9.9", "2.1.1", "2.3.0", "2.2.1.0", "9.9/credentials", "2.1.1/credentials"])
def test_there_is_nothing_of_a_version_that_the_hub_does_not_speak(peer, path):
    for method in ("GET", "POST", "PUT", "DELETE"):
        with nothing_changes():
            answered = peer.call(method, path, peer.credentials())

        assert answered.codes in {(404, 2000), (405, 2000)}
        assert answered.http_status == 404 or "credentials" not in path


@pytest.mark.row("VER-06")
@pytest.mark.parametrize("role", ["SENDER", "RECEIVER", None])
def test_the_role_of_a_partners_credentials_endpoint_is_ignored(peer, role):
    peer.credentials_role = role

    assert peer.post().codes == (200, 1000)
    row = Platform.objects.get(pk=peer.platform_id)
    assert row.endpoint("credentials", "SENDER") == "https://new.example/2.2.1/credentials"


def test_a_partner_may_list_its_credentials_endpoint_twice(peer):
    twice = peer.details("2.2.1")
    twice["endpoints"].append(
        {"identifier": "credentials", "role": "RECEIVER", "url": "https://new.example/other"}
    )
    peer.answers.append(at("2.2.1", answer(twice)))

    assert peer.post().codes == (200, 1000)
    row = Platform.objects.get(pk=peer.platform_id)
    assert row.endpoint("credentials", "SENDER") == "https://new.example/2.2.1/credentials"


@pytest.mark.row("VER-07")
def test_a_partner_with_nothing_but_credentials_is_told_3003(peer):
    """Decided so: a partner that exchanges none of our modules has nothing to do here."""
    peer.modules = ()

    with nothing_changes():
        answered = peer.post()

    assert answered.codes == (200, 3003)


@pytest.mark.row("VER-07")
@pytest.mark.parametrize("module", ["locations", "tokens"])
def test_one_module_is_enough(peer, module):
    peer.modules = (module,)

    assert peer.post().codes == (200, 1000)


@pytest.mark.row("VER-08")
def test_modules_and_versions_that_nobody_knows_are_passed_over(peer):
    peer.versions, peer.modules = ("2.2.1", "9.9", "banana"), ("nltnm-foo", "locations", "bookings")

    assert peer.post().codes == (200, 1000)
    assert Platform.objects.get(pk=peer.platform_id).version == "2.2.1"


# ---------------------------------------------------------------------------------- the hub's endpoints change
@pytest.fixture
def registered(peer: Peer) -> Peer:
    assert peer.post().codes == (200, 1000)
    peer.calls.clear()
    return peer


@pytest.mark.row("VER-09")
def test_partners_are_told_by_put_when_the_hubs_endpoints_change(registered, settings):
    settings.HUB_BASE_URL = "https://hub.example"

    tasks.announce_changes()

    assert registered.seen() == [("GET", "/versions"), ("GET", "/2.2.1"), ("PUT", "/2.2.1/credentials")]
    put = registered.calls[-1].body
    assert put["url"] == "https://hub.example/ocpi/versions"
    assert registered.call("GET", "versions", token=put["token"]).codes == (200, 1000)


@pytest.mark.row("VER-09")
def test_partners_are_told_once_and_not_without_a_change(registered, settings):
    tasks.announce_changes()
    assert registered.calls == []

    settings.HUB_BASE_URL = "https://hub.example"
    tasks.announce_changes()
    registered.calls.clear()
    tasks.announce_changes()

    assert registered.calls == []


@pytest.mark.row("VER-09", "CRED-19")
def test_a_put_of_ours_that_fails_leaves_both_old_tokens_usable(registered, settings):
    settings.HUB_BASE_URL = "https://hub.example"
    registered.answers.append(at("2.2.1/credentials", answer(status_code=3000), method="PUT"))
    row = Platform.objects.get(pk=registered.platform_id)

    with nothing_changes(besides=(Platform,)), pytest.raises(handshake.HandshakeFailed):
        handshake.announce(row)

    assert Platform.objects.get(pk=row.pk).token == registered.token
    assert registered.call("GET", "versions").codes == (200, 1000)
    assert IssuedToken.objects.filter(platform=row).count() == 1
