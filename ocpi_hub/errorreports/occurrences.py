"""How a failure is reported: by note() from a request, by write() from a worker.

What is private is masked before anything is written: the partners' tokens, and what names a driver or a card.
"""

import logging
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from django.utils import timezone

from ocpi_hub import background
from ocpi_hub.errorreports import grouping
from ocpi_hub.errorreports.kinds import KINDS
from ocpi_hub.logs import on_one_line
from ocpi_hub.protocol.headers import MessageIDs
from ocpi_hub.protocol.masking import masked, private_values

logger = logging.getLogger(__name__)

LONGEST_BODY = 8_000  # characters that are kept of a request or an answer
LARGEST_CODE = 9_999
LONGEST_TEXT = 1_000  # of a sentence, a URL or the name of an object
MARGIN = 1_000  # characters behind the end are masked as well, or half a value would stand there
LONGEST_WAITING = 64_000  # bytes of a body that wait to be masked; it may be longer, and 10,000 may wait


class Evidence(NamedTuple):
    """What was sent and what came back."""

    method: str = ""
    url: str = ""
    request: bytes | str | None = None
    http_status: int | None = None
    status_code: int | None = None
    answer: bytes | str | None = None
    secrets: tuple[
        str, ...
    ] = ()  # to be masked besides what the bodies show, such as our token for the partner


class Noted(NamedTuple):
    """A failure as it is reported. `party` and `subject` say whose and what it is about: NL*ABC, NL/ABC/LOC1."""

    kind: str
    platform_id: int | None  # None: nobody that the hub knows
    module: str  # empty: none
    text: str
    party: str = ""
    subject: str = ""
    evidence: Evidence = Evidence()
    ids: MessageIDs | None = None
    at: datetime | None = None  # None: now


def note(
    kind: str,
    platform_id: int | None,
    module: str,
    text: str,
    *,
    party: str = "",
    subject: str = "",
    evidence: Evidence = Evidence(),  # noqa: B008  # never changes
    ids: MessageIDs | None = None,
    at: datetime | None = None,
) -> None:
    """Report a failure soon. Never blocks, never raises; for requests."""
    _writer.put(
        Noted(
            kind, platform_id, module, text, party, subject, _shortened(evidence), ids, at or timezone.now()
        )
    )


def write(failures: Iterable[Noted]) -> None:
    """Report failures in the caller's transaction; for workers.

    Reports stay locked until it ends, in one order for all: call it once in a transaction, as its last statement.
    """
    now = timezone.now()
    grouping.write([_row(failure, now) for failure in failures], now)


_writer = background.Writer("error reports", write)


def _row(failure: Noted, now: datetime) -> grouping.Row:
    """One that cannot be masked is told of without its words: whoever reports it must go on."""
    try:
        return cleaned(failure, now)
    except Exception as error:
        logger.exception("the evidence of a failure, %s, could not be masked", failure.kind)
        text = f"what was sent and came back is left out: it could not be masked ({type(error).__name__})"
        return cleaned(Noted(failure.kind, failure.platform_id, failure.module, text, at=failure.at), now)


def cleaned(failure: Noted, now: datetime) -> grouping.Row:
    """As it may be kept: nothing private in it, no longer than need be, and writable for PostgreSQL."""
    if failure.kind not in KINDS:
        logger.error("a failure is reported as %r, which is no kind of kinds.py", failure.kind)
    evidence = failure.evidence
    clean = _clean(
        {
            "text": (failure.text, LONGEST_TEXT),
            "subject": (failure.subject, LONGEST_TEXT),
            "url": (evidence.url, LONGEST_TEXT),
            "request": (evidence.request, LONGEST_BODY),
            "answer": (evidence.answer, LONGEST_BODY),
        },
        _private(failure),
    )
    clean |= {name: on_one_line(" ".join(clean[name].splitlines())) for name in ("text", "subject", "url")}
    return grouping.Row(
        kind=failure.kind[:40],
        platform_id=failure.platform_id,
        module=_text(failure.module)[:20],
        at=failure.at or now,
        party=_text(failure.party)[:6],
        method=_text(evidence.method)[:10],
        http_status=_code(evidence.http_status),
        status_code=_code(evidence.status_code),
        correlation_id=_text(failure.ids.correlation_id)[:255] if failure.ids else "",
        request_id=_text(failure.ids.request_id)[:255] if failure.ids else "",
        **clean,
    )


def _private(failure: Noted) -> set[str]:
    evidence = failure.evidence
    secrets = {secret for secret in evidence.secrets if secret}
    found = private_values(evidence.request, evidence.answer, path=evidence.url)
    # The name of a Token holds its uid, as the path of its URL does.
    found |= private_values(path=f"/{failure.module}/{failure.subject}")
    return found | secrets


def _clean(texts: dict[str, tuple[bytes | str | None, int]], private: set[str]) -> dict[str, str]:
    """Each masked, and cut to its length; together, with NUL between them, which none of them holds."""
    whole = [_text(text[: longest + MARGIN] if text else text) for text, longest in texts.values()]
    found = masked("\x00".join(whole), private).split("\x00")
    lengths = [len(text or "") > longest + MARGIN for text, longest in texts.values()]
    return {
        name: _cut(text[:-MARGIN] if shortened else text, longest, shortened)
        for (name, (_, longest)), text, shortened in zip(texts.items(), found, lengths, strict=True)
    }


def _text(text: bytes | str | None) -> str:
    """Without what PostgreSQL cannot keep: the character NUL, and halves of characters."""
    if isinstance(text, bytes):
        text = text.decode(errors="replace")
    return (text or "").replace("\x00", "�").encode(errors="replace").decode()


def _code(code: int | None) -> int | None:
    """Some partners answer with numbers that are no codes, and no column holds them."""
    return code if code is not None and 0 <= code <= LARGEST_CODE else None


def _cut(text: str, longest: int, shortened: bool) -> str:
    """With a sign that it goes on."""
    return text if len(text) <= longest and not shortened else text[: longest - 1] + "…"


def _shortened(evidence: Evidence) -> Evidence:
    """Of very long bodies the beginning waits, and what was private in all of it."""
    request, answer = evidence.request, evidence.answer
    if max(len(request or ""), len(answer or "")) <= LONGEST_WAITING:
        return evidence
    return evidence._replace(
        secrets=(*evidence.secrets, *private_values(request, answer)),
        request=request[:LONGEST_WAITING] if request else request,
        answer=answer[:LONGEST_WAITING] if answer else answer,
    )
