"""Direct requests: pages that lead on through the hub, and what a partner that answers slowly costs the others.

What OCPI says of them is in tests/conformance/test_relay.py, what is kept of pushes in test_copies.py.
"""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from django.core import signing
from django.db import connection, transaction

from ocpi_hub.exchange.calls import transports
from ocpi_hub.exchange.exceptions import InvalidParameters
from ocpi_hub.exchange.relays import relay
from ocpi_hub.exchange.relays.questions import Question
from ocpi_hub.exchange.relays.relay import below, link_back, onward
from ocpi_hub.exchange.routing import Route, towards
from ocpi_hub.partners import throttling
from ocpi_hub.partners.models import Endpoint, Platform
from ocpi_hub.protocol.client import Answer
from ocpi_hub.protocol.headers import MessageIDs
from ocpi_hub.protocol.types import PartyRef
from tests import examples
from tests.conformance.calls import to
from tests.partners import enveloped, register

MSP = to("DE*MSP")
UNANNOUNCED = "which is no server that the partner has announced"
HERE = "https://hub.example/ocpi/2.2.1/sender/tokens"
ENDPOINT = "https://msp.example/sender/tokens"


# ---------------------------------------------------------------------------------------------- pure: addresses
@pytest.mark.parametrize(
    ("endpoint", "segments", "query", "url"),
    [
        (ENDPOINT, (), "", ENDPOINT),
        (f"{ENDPOINT}/", (), "a=1", f"{ENDPOINT}/?a=1"),
        (ENDPOINT, (), "a=%2F+%zz&b=\xc3\xa9", f"{ENDPOINT}?a=%2F+%zz&b=%C3%A9"),
        (f"{ENDPOINT}/", ("A/B", "ä ?"), "", f"{ENDPOINT}/A%2FB/%C3%A4%20%3F"),
        (ENDPOINT, ("..", "authorize"), "type=", f"{ENDPOINT}/%2E%2E/authorize?type="),
        ("https://msp.example/?m=tokens", (), "a=%2F", "https://msp.example/?m=tokens&a=%2F"),
        ("https://msp.example/?m=tokens", ("X",), "a=1", "https://msp.example/X?m=tokens&a=1"),
    ],
)
def test_what_is_asked_for_is_below_the_receivers_endpoint(endpoint, segments, query, url):
    assert below(endpoint, Question("tokens", "SENDER", "GET", segments, query)) == url


# -------------------------------------------------------------------------------------------------- pure: links
def answered(link):
    return Answer(200, httpx.Headers({"Link": link.encode()} if link else {}), b"", 0.1)


def to_next(url):
    return f'<{url}>; rel="next"'


@pytest.fixture
def msp(emsp):
    return emsp.platform


@pytest.mark.parametrize(
    "link",
    [
        None,
        "",
        '<https://msp.example/sender/tokens?offset=2>; rel="prev"',
        "https://msp.example/sender/tokens?offset=2",
        to_next("https://[msp.example/sender/tokens"),
    ],
)
def test_without_a_link_to_a_next_page_there_is_none(msp, link):
    assert link_back(answered(link), ENDPOINT, ENDPOINT, HERE, msp, "tokens") is None


@pytest.mark.parametrize(
    ("link", "why"),
    [
        ("https://[msp.example/sender/tokens", "is no URL"),
        (f"https://msp.example/?x={'x' * 5_000}", "cannot be read"),
        ("https://other.example/2", f"leads to other.example, {UNANNOUNCED}"),
        ("https://a:b@msp.example/2", "has a user or a password in it, and the hub sends none"),
        ("https://msp.example:444/2", f"leads to msp.example:444, {UNANNOUNCED}"),
    ],
)
def test_of_a_next_page_that_cannot_be_reached_the_operator_is_told(msp, link, why, caplog):
    """Whoever asked takes this page for the last one; our token goes to no server that is not the partner's."""
    assert link_back(answered(to_next(link)), ENDPOINT, ENDPOINT, HERE, msp, "tokens") is None

    assert caplog.messages == [f"tokens of {msp} end early for whoever asked: its Link {why}"]


def test_a_link_may_lead_to_another_server_that_the_partner_has_announced(msp):
    msp.endpoints.filter(module="cdrs", role="SENDER").update(url="https://other.example/all-cdrs")
    link = link_back(answered(to_next("https://other.example/2")), ENDPOINT, ENDPOINT, HERE, msp, "tokens")

    sealed = httpx.URL(link[1 : link.index(">")]).params["via"]
    assert onward(sealed, msp, "tokens") == "https://other.example/2"

    msp.endpoints.filter(url="https://other.example/all-cdrs").delete()
    with pytest.raises(InvalidParameters, match="via: that party has moved since; begin its list anew"):
        onward(sealed, msp, "tokens")


@pytest.mark.parametrize(
    ("link", "query"),
    [
        (f"{ENDPOINT}?offset=2&limit=2", "offset=2&limit=2"),
        ("?offset=2", "offset=2"),
        ("tokens?offset=2", "offset=2"),
        ("//msp.example/sender/tokens?cursor=%2F+%20", "cursor=%2F+%20"),
    ],
)
def test_a_link_to_the_partners_own_endpoint_has_its_query_at_the_hub(msp, link, query):
    assert link_back(answered(to_next(link)), ENDPOINT, ENDPOINT, HERE, msp, "tokens") == to_next(
        f"{HERE}?{query}"
    )


@pytest.mark.parametrize(
    ("link", "asked", "endpoint", "meant"),
    [
        ("https://msp.example/p/2", ENDPOINT, ENDPOINT, "https://msp.example/p/2"),
        (f"{ENDPOINT}/page/2?a=1", ENDPOINT, ENDPOINT, f"{ENDPOINT}/page/2?a=1"),
        ("http://msp.example:8080/p/2?a=1", ENDPOINT, ENDPOINT, "https://msp.example/p/2?a=1"),
        ("page/3", f"{ENDPOINT}/page/2", ENDPOINT, f"{ENDPOINT}/page/page/3"),
        ("?m=tokens&offset=2", "https://msp.example/?m=tokens", "https://msp.example/?m=tokens",
         "https://msp.example/?m=tokens&offset=2"),
        (f"{ENDPOINT}?via=its-own", ENDPOINT, ENDPOINT, f"{ENDPOINT}?via=its-own"),
    ],
)  # fmt: skip
def test_a_link_elsewhere_is_carried_in_a_sealed_parameter(msp, link, asked, endpoint, meant):
    link = link_back(answered(to_next(link)), asked, endpoint, HERE, msp, "tokens")

    sealed = httpx.URL(link[1 : link.index(">")]).params.get_list("via")[-1]
    assert onward(sealed, msp, "tokens") == meant


@pytest.mark.parametrize("change", [lambda seal: seal[:-1], lambda seal: "x" + seal, lambda seal: "its-own"])
def test_a_seal_that_is_not_ours_is_refused(msp, change):
    seal = signing.dumps({"url": ENDPOINT, "platform": msp.pk}, salt="via:tokens")
    assert onward(seal, msp, "tokens") == ENDPOINT

    with pytest.raises(InvalidParameters, match="via: follow the Link of the page before as it is"):
        onward(change(seal), msp, "tokens")


def test_a_seal_for_another_purpose_is_refused(msp):
    with pytest.raises(InvalidParameters):
        onward(signing.dumps({"url": ENDPOINT, "platform": msp.pk}), msp, "tokens")


def test_a_seal_of_another_module_is_refused(msp):
    """Two parties may exchange the one and not the other."""
    link = link_back(answered(to_next("https://msp.example/2")), ENDPOINT, ENDPOINT, HERE, msp, "tokens")
    sealed = httpx.URL(link[1 : link.index(">")]).params["via"]

    with pytest.raises(InvalidParameters, match="via: follow the Link of the page before as it is"):
        onward(sealed, msp, "cdrs")
    assert onward(sealed, msp, "tokens") == "https://msp.example/2"


@pytest.mark.parametrize(
    ("link", "query"),
    [
        (f"{ENDPOINT}?after=a\x01b", "after=a%01b"),
        (f"{ENDPOINT}?after=\xe9 \x7f", "after=%C3%A9%20%7F"),
        (f"{ENDPOINT}?after=%01+%zz[1]", "after=%01+%zz[1]"),
    ],
)
def test_what_no_header_may_carry_is_encoded_in_a_link(msp, link, query):
    found = link_back(answered(to_next(link)), ENDPOINT, ENDPOINT, HERE, msp, "tokens")

    assert found == to_next(f"{HERE}?{query}")


def test_an_address_elsewhere_that_is_no_url_as_it_stands_is_encoded(msp):
    link = link_back(
        answered(to_next("https://msp.example/a\x01 b")), ENDPOINT, ENDPOINT, HERE, msp, "tokens"
    )

    sealed = httpx.URL(link[1 : link.index(">")]).params["via"]
    assert onward(sealed, msp, "tokens") == "https://msp.example/a%01%20b"


# -------------------------------------------------------------------------------------------- lists, to the end
def pages_at(emsp, *urls):
    """A list of which each page is at another URL; the first is at the endpoint."""

    def page(request):
        url = str(request.url)
        if url not in urls:
            return enveloped(status_code=2001, http_status=404)
        number = urls.index(url)
        following = urls[number + 1 : number + 2]
        link = {"Link": f'<{following[0]}>; rel="next"'} if following else {}
        return enveloped([{"uid": f"T{number}"}], **{"X-Total-Count": str(len(urls)), "X-Limit": "1"}, **link)

    emsp.answers.append(page)


def read(partner, path):
    """All pages of a list at another party, following Link."""
    pages = []
    while path:
        pages.append(partner.get(path, **MSP))
        path = pages[-1].next_path
    return pages


@pytest.mark.parametrize(
    "urls",
    [
        [ENDPOINT, f"{ENDPOINT}?page=2", f"{ENDPOINT}?page=3"],
        [ENDPOINT, f"{ENDPOINT}/pages/2", "https://msp.example/elsewhere?p=3&p=%2F"],
        ["https://msp.example/i.php?m=tokens", "https://msp.example/i.php?m=tokens&page=2",
         "https://msp.example/i.php?m=tokens&page=3"],
        [ENDPOINT, f"{ENDPOINT}?via=its-own-seal", f"{ENDPOINT}?via=its-own-seal-2&limit=1"],
        [ENDPOINT, f"{ENDPOINT}/2", f"{ENDPOINT}?page=3"],
    ],
    ids=["at the endpoint", "elsewhere", "an endpoint with a query", "a hub behind the hub", "there and back"],
)  # fmt: skip
def test_a_list_is_read_to_its_end_wherever_its_links_lead(cpo, emsp, urls):
    Endpoint.objects.filter(platform=emsp.platform, module="tokens", role="SENDER").update(url=urls[0])
    pages_at(emsp, *urls)

    pages = read(cpo, "sender/tokens")

    assert [page.data for page in pages] == [[{"uid": "T0"}], [{"uid": "T1"}], [{"uid": "T2"}]]
    assert [call.url for call in emsp.calls] == urls
    assert [(page.headers["X-Total-Count"], page.headers["X-Limit"]) for page in pages] == [("3", "1")] * 3
    assert all("msp.example" not in page.headers.get("Link", "") for page in pages)


def test_a_changed_seal_is_2001_and_nobody_is_asked(cpo, emsp):
    pages_at(emsp, ENDPOINT, "https://msp.example/elsewhere")
    following = cpo.get("sender/tokens", **MSP).next_path
    emsp.calls.clear()

    answered = cpo.get(following[:-2], **MSP)

    assert answered.codes == (200, 2001)
    assert answered.message == "via: follow the Link of the page before as it is"
    assert emsp.calls == []


def test_a_link_is_of_use_at_its_own_party_only(cpo, emsp, stranger):
    pages_at(emsp, ENDPOINT, "https://msp.example/elsewhere")
    following = cpo.get("sender/tokens", **MSP).next_path

    answered = cpo.get(following, **to("FR*XYZ"))

    assert answered.codes == (200, 2001)
    assert answered.message == "via: that Link is of another party; repeat OCPI-to of the page before"
    assert stranger.calls == []


def test_a_link_without_its_party_is_2001_and_not_a_page_of_the_hubs_own_list(cpo, emsp):
    pages_at(emsp, ENDPOINT, "https://msp.example/elsewhere")
    following = cpo.get("sender/tokens", **MSP).next_path
    emsp.calls.clear()

    answered = cpo.get(following)

    assert answered.codes == (200, 2001)
    assert answered.message == "via: that Link is of another party; repeat OCPI-to of the page before"
    assert emsp.calls == []


@pytest.mark.parametrize("count", ["many", "-1", "1.5", ""])
def test_counts_that_are_none_are_left_out(cpo, emsp, count):
    emsp.answers.append(lambda request: enveloped([], **{"X-Total-Count": count, "X-Limit": count}))

    answered = cpo.get("sender/tokens", **MSP)

    assert answered.codes == (200, 1000)
    assert answered.headers.keys().isdisjoint({"X-Total-Count", "X-Limit"})


# ----------------------------------------------------------------------------------- what waiting costs the others
class Slow:
    """A partner that answers when it is told to; `arrived()` waits until so many requests are with it."""

    def __init__(self, partner):
        self.requests, self.go_on = threading.Semaphore(0), threading.Event()
        partner.answers.append(self.answer)

    def answer(self, request):
        self.requests.release()
        assert self.go_on.wait(30)

    def arrived(self, count):
        assert all(self.requests.acquire(timeout=30) for _ in range(count))


def ask(partner, party):
    try:
        return partner.get("sender/tokens", **to(party)).codes
    finally:
        connection.close()


def test_no_connection_and_no_transaction_is_held_while_a_partner_answers(transactional_db, cpo, emsp):
    held = []
    emsp.answers.append(
        lambda request: held.append(connection.connection is not None or connection.in_atomic_block)
    )

    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location(), **MSP)
    cpo.get("sender/tokens", **MSP)
    cpo.get("sender/tokens/04A1B2C3D4", **MSP)

    assert held == [False] * 3


def test_a_relay_inside_a_transaction_is_a_fault(transactional_db, cpo, emsp):
    asked = Question("tokens", "SENDER", "GET")
    route = towards(Route(PartyRef("NL", "ABC")), PartyRef("DE", "MSP"), "tokens", "SENDER")

    with transaction.atomic(), pytest.raises(transports.InsideTransaction):
        relay.ask(route, asked, MessageIDs.new())

    assert emsp.calls == []


def test_of_one_slow_partner_so_many_requests_wait_and_others_are_served(
    transactional_db, settings, cpo, emsp, stranger
):
    settings.HUB_CONCURRENT_RELAYS = 2
    slow = Slow(emsp)
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(ask, cpo, "DE*MSP") for _ in range(2)]
        slow.arrived(2)
        third = cpo.get("sender/tokens", **MSP)
        other = cpo.get("sender/tokens", **to("FR*XYZ"))
        slow.go_on.set()
        codes = [one.result() for one in waiting]

    assert third.codes == (200, 4003)
    assert third.message == "too many requests wait for DE*MSP already; try again in a moment"
    assert other.codes == (200, 1000)
    assert codes == [(200, 1000)] * 2
    assert len(emsp.calls) == 2
    assert ask(cpo, "DE*MSP") == (200, 1000)


def test_slow_partners_together_leave_threads_for_what_needs_no_relay(
    transactional_db, settings, cpo, emsp, stranger
):
    settings.HUB_RELAYS_TOGETHER = 1
    slow = Slow(emsp)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(ask, cpo, "DE*MSP")
        slow.arrived(1)
        other = cpo.get("sender/tokens", **to("FR*XYZ"))
        own = cpo.get("sender/tokens")
        slow.go_on.set()

    assert (other.codes, own.codes, waiting.result()) == ((200, 4003), (200, 1000), (200, 1000))
    assert stranger.calls == []


def test_whose_requests_wait_for_others_is_served_meanwhile(transactional_db, settings, cpo, emsp, stranger):
    settings.HUB_CONCURRENT_REQUESTS = 1
    slow = Slow(emsp)
    with ThreadPoolExecutor(3) as pool:
        waiting = []
        for _ in range(3):
            waiting.append(pool.submit(ask, cpo, "DE*MSP"))
            slow.arrived(1)
        answered = [cpo.get("sender/tokens").codes, cpo.get("sender/tokens", **to("FR*XYZ")).codes]
        slow.go_on.set()
        codes = [one.result() for one in waiting]

    assert answered == [(200, 1000)] * 2
    assert codes == [(200, 1000)] * 3
    assert throttling.bulkhead._running == {}


def test_whose_requests_wait_for_many_others_is_told_and_other_senders_find_places(
    transactional_db, settings, cpo, emsp, stranger
):
    settings.HUB_RELAYS_TOGETHER, settings.HUB_RELAYS_OF_ONE = 8, 2
    slow = Slow(emsp)
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(ask, cpo, "DE*MSP") for _ in range(2)]
        slow.arrived(2)
        own = cpo.get("sender/tokens", **to("FR*XYZ"))
        other = emsp.get("sender/locations", **to("FR*XYZ"))
        slow.go_on.set()
        codes = [one.result() for one in waiting]

    assert own.codes == (200, 4003)
    assert own.message == "too many of your requests wait for other parties; try again in a moment"
    assert other.codes == (200, 1000)
    assert codes == [(200, 1000)] * 2


def test_while_ten_hang_at_every_place_they_may_have_the_others_are_served(
    transactional_db, settings, network, cpo, stranger
):
    settings.HUB_CONCURRENT_RELAYS, settings.HUB_RELAYS_TOGETHER, settings.HUB_RELAYS_OF_ONE = 4, 24, 22
    hung = [Slow(register(network, f"H{n:02}", f"DE-H{n:02}-EMSP")) for n in range(10)]
    settled = threading.Semaphore(0)  # at the partner, or refused
    for one in hung:
        one.requests = settled

    def ask_and_settle(party):
        try:
            return ask(cpo, party)
        finally:
            settled.release()

    with ThreadPoolExecutor(40) as pool:
        waiting = [pool.submit(ask_and_settle, f"DE*H{n:02}") for n in [*range(10)] * 4]
        assert all(settled.acquire(timeout=60) for _ in waiting)
        others = [ask(cpo, "FR*XYZ") for _ in range(5)]
        for one in hung:
            one.go_on.set()
        codes = Counter(one.result() for one in waiting)

    assert others == [(200, 1000)] * 5
    assert 10 <= codes[200, 1000] < 24
    assert codes[200, 4003] == 40 - codes[200, 1000]


def test_a_partner_that_fails_leaves_its_place(settings, cpo, emsp):
    settings.HUB_CONCURRENT_RELAYS = 1
    emsp.answers.append(lambda request: httpx.Response(500))

    assert [cpo.get("sender/tokens", **MSP).status_code for _ in range(3)] == [4000] * 3
    assert len(emsp.calls) == 3


def test_an_unreadable_token_for_a_partner_is_4000_and_the_operators_to_mend(cpo, emsp, caplog):
    Platform.objects.filter(pk=emsp.platform.pk).update(token_cipher="written with another key")

    answered = cpo.get("sender/tokens", **MSP)

    assert answered.codes == (200, 4000)
    assert answered.message == "the hub cannot call this party; its operator is told"
    assert "nothing can be relayed to DE*MSP" in caplog.text


# ------------------------------------------------------------------------------------------------------- secrets
def test_our_token_that_a_partner_repeats_does_not_reach_whoever_asked(cpo, emsp):
    sent = "token-of-msp and dG9rZW4tb2YtbXNw"
    said = {"status_code": 2001, "status_message": f"{sent} are no good", "timestamp": "2026-03-01T12:00:00Z"}
    emsp.answers.append(lambda request: httpx.Response(200, json=said))

    answered = cpo.get("sender/tokens", **MSP)

    assert (answered.codes, answered.message) == ((200, 2001), "*** and *** are no good")
