"""One try of a delivery, the first and every later one alike; lanes.py says whose turn it is.

parcels.py   what is sent, and where
verdicts.py  what the answer means, and what comes after it
"""

from datetime import datetime

from ocpi_hub.exchange.calls import transports
from ocpi_hub.exchange.calls.verdicts import (
    NO_ENDPOINT,
    UNREADABLE,
    Result,
    Verdict,
    cause_of_silence,
    judge,
    masked,
    says_it_is_there,
)
from ocpi_hub.exchange.deliveries.parcels import (
    Parcel,
    content_of,
    is_kept,
    routing_of,
    segments,
    url_of,
    with_variant,
)
from ocpi_hub.exchange.deliveries.receiverurls import url_in
from ocpi_hub.exchange.models import Callback, Delivery
from ocpi_hub.partners.models import Platform
from ocpi_hub.partners.secrets import UnreadableSecret
from ocpi_hub.protocol.client import Answer, CallFailed, PlatformClient, join
from ocpi_hub.protocol.headers import MessageIDs, authorization
from ocpi_hub.protocol.masking import masked as without
from ocpi_hub.protocol.masking import private_values

LONGEST_REQUEST = 64_000  # characters that are kept of a request that was refused
LONGEST_ANSWER = 16_000  # and of its answer


def attempt(platform: Platform, parcel: Parcel, now: datetime) -> Result:
    """Send it once. Never raises for what a partner does or fails to do."""
    delivery = parcel.delivery
    if parcel.withdrawn:
        return Result(Verdict.GONE, parcel.withdrawn)
    if parcel.endpoint is None:
        return _without_address(parcel)
    content = content_of(parcel)
    if content is None:
        return Result(Verdict.GONE, "the object is no longer in the hub")
    method, body = content
    url = url_of(parcel, method)
    ids = MessageIDs(delivery.message.request_id, delivery.message.correlation_id).child()
    try:
        client = transports.client_for(platform)
    except UnreadableSecret as error:
        return Result(Verdict.TEMPORARY, f"our token for this partner: {error}", cause=UNREADABLE)
    transports.release_connection()
    try:
        answer = client.request(
            method, url, ids=ids, routing=routing_of(parcel), body=body, total_timeout=longest(platform)
        )
    except CallFailed as error:
        verdict = Verdict.PERMANENT if error.permanent else Verdict.TEMPORARY
        result = Result(verdict, str(error), method, url, ids, cause=cause_of_silence(error))
        return _with_evidence(result, parcel, body, b"")
    token = "" if answer.ok else platform.token  # of interest only where a complaint may repeat it
    result = _in_context(parcel, answer, judge(answer, now, token))._replace(method=method, url=url, ids=ids)
    if parcel.model and parcel.model.receiver_url_field and result.verdict is Verdict.DELIVERED:
        result = result._replace(receiver_url=url_in(answer))
    may_lack_it = method == "PATCH" or delivery.key != delivery.parent_key
    if result.verdict is Verdict.PERMANENT and may_lack_it and parcel.model:
        result = _after_refused_change(platform, client, parcel, result)
    return result if answer.ok else _with_evidence(result, parcel, body, answer.body, token)


def _without_address(parcel: Parcel) -> Result:
    if parcel.model is None:
        return Result(Verdict.GONE, "nobody waits for this result any more")
    text = "the partner has no Receiver endpoint for this module any more"
    return Result(Verdict.PERMANENT, text, cause=NO_ENDPOINT)


def _with_evidence(
    result: Result, parcel: Parcel, body: bytes | None, answer: bytes, token: str = ""
) -> Result:
    """What was sent and what came back, for the operator; a driver's token is the business of the two parties."""
    private = private_values(body, answer, path=f"/{parcel.delivery.module}/{parcel.delivery.path}")
    if token:  # as some partners quote it: within a URL, or encoded once more
        private |= {token, authorization(token).partition(" ")[2]}
    return result._replace(
        outcome=without(result.outcome, private),
        request=_kept(body or b"", private, token, LONGEST_REQUEST),
        answer=_kept(answer, private, token, LONGEST_ANSWER),
    )


def _kept(body: bytes, private: set[str], token: str, longest: int) -> str:
    text = without(masked(body.decode(errors="replace"), token), private)
    more = len(text) - longest
    return f"{text[:longest]}… and {more} characters more" if more > 0 else text


def longest(platform: Platform) -> float:
    """Seconds that it has to take a delivery."""
    return platform.seconds_to_answer


def _in_context(parcel: Parcel, answer: Answer, result: Result) -> Result:
    """What an answer means for this delivery, where that differs from what it says."""
    is_result = parcel.delivery.module == Callback.MODULE
    if is_result and 200 <= answer.http_status < 300 and answer.status_code is None:
        # Many providers answer at a response_url without an envelope.
        return result._replace(verdict=Verdict.DELIVERED)
    if result.verdict is Verdict.PERMANENT and _lacks_it_anyway(parcel, answer):
        return result._replace(verdict=Verdict.DELIVERED, outcome=f"it has none of it: {result.outcome}")
    if _is_in_doubt(parcel.delivery) and result.verdict is Verdict.PERMANENT and says_it_is_there(answer):
        return result._replace(verdict=Verdict.DELIVERED, outcome=f"it has it already: {result.outcome}")
    return result


def _is_in_doubt(delivery: Delivery) -> bool:
    """Whether a POST of it went out before, from the lane or by relay, and nobody knows what became of it."""
    sent_before = delivery.tries > 0 or not (delivery.exact or delivery.message.bulk)
    return sent_before and is_kept(delivery)


def _lacks_it_anyway(parcel: Parcel, answer: Answer) -> bool:
    """A DELETE of what the partner does not have."""
    return parcel.deleted and answer.http_status in (404, 410)


def _after_refused_change(
    platform: Platform, client: PlatformClient, parcel: Parcel, result: Result
) -> Result:
    """A refused PATCH or part: look whether the partner has the object at all, then PUT what it lacks (MET-04)."""
    delivery, model = parcel.delivery, parcel.model
    if delivery.tries > 1 or model is None:
        return result
    url = with_variant(model, join(parcel.endpoint or "", *segments(delivery)[:3]), delivery)
    ids = (result.ids or MessageIDs.new()).child()
    try:
        answer = client.request(
            "GET", url, ids=ids, routing=routing_of(parcel), total_timeout=longest(platform) / 3
        )
    except CallFailed:
        return result._replace(verdict=Verdict.TEMPORARY, requests=2)
    # A partner that has the object and refuses this part of its state needs more than the part again.
    missing = not answer.ok or result.method == "PUT"
    return result._replace(
        verdict=Verdict.TEMPORARY,
        refused=True,
        widen=missing,
        retry_after=None,
        requests=2,
        outcome=f"{result.outcome}; " + ("the whole object follows" if missing else "its state follows"),
    )
