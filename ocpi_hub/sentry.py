"""Faults of the hub, told to Sentry where SENTRY_DSN says so; nothing that is personal or opens a door goes along.

What an event has is chosen, not filtered: the fault, its places in the code without the values that stood there, the
method and the module of the request, and the message ids, by which all else is found in the logs here.
"""

import logging
import re
from typing import Any

from django.conf import settings

from ocpi_hub.logs import current_ids, without_secrets
from ocpi_hub.middleware import module_of
from ocpi_hub.protocol.masking import MASK

logger = logging.getLogger(__name__)

# What PostgreSQL adds repeats the row that it complains about.
_DETAIL = re.compile(r"\b(DETAIL|CONTEXT):.*", re.DOTALL)
# Any word with a digit or an @ may be a driver's token, a contract or an address; our own words have none.
_PERHAPS_PERSONAL = re.compile(r"[^\s'\"]*[\d@][^\s'\"]*")
_TOO_SHORT_FOR_THAT = 3  # characters: HTTP 500, #12

_OF_AN_EVENT = (
    "event_id", "timestamp", "platform", "level", "logger", "release", "environment", "server_name", "sdk",
)  # fmt: skip
_OF_AN_ERROR = ("type", "module")
_OF_A_FRAME = ("filename", "abs_path", "function", "module", "lineno", "in_app")


def start(**more: Any) -> bool:
    """Tell Sentry of faults from now on; whether it is told. `more` are options, such as a transport."""
    if not settings.SENTRY_DSN:
        return False
    # Who does not use it does not load it.
    import sentry_sdk
    from sentry_sdk.integrations.celery import CeleryIntegration
    from sentry_sdk.integrations.dedupe import DedupeIntegration
    from sentry_sdk.integrations.django import DjangoIntegration
    from sentry_sdk.integrations.excepthook import ExcepthookIntegration
    from sentry_sdk.integrations.logging import LoggingIntegration
    from sentry_sdk.integrations.threading import ThreadingIntegration
    from sentry_sdk.utils import BadDsn

    try:
        sentry_sdk.init(
            dsn=settings.SENTRY_DSN,
            # By name: others would come along with each library that is installed, and listen to what partners say.
            default_integrations=False,
            auto_enabling_integrations=False,
            integrations=[
                DjangoIntegration(
                    transaction_style="function_name", middleware_spans=False, cache_spans=False
                ),
                CeleryIntegration(),
                LoggingIntegration(level=None, event_level=logging.ERROR),
                DedupeIntegration(),
                ExcepthookIntegration(),
                ThreadingIntegration(),
            ],
            # Nothing personal is the default as long as neither send_default_pii nor data_collection is given.
            include_local_variables=False,
            include_source_context=False,
            max_request_body_size="never",
            max_breadcrumbs=0,
            before_send=before_send,
            **more,
        )
    except BadDsn:
        logger.error("SENTRY_DSN cannot be read; faults of the hub are in the logs alone")
        return False
    return True


def before_send(event: dict[str, Any], hint: dict[str, Any]) -> dict[str, Any]:
    """The event as it leaves."""
    request = event.get("request") or {}
    errors = (event.get("exception") or {}).get("values") or []
    sent = {
        **_chosen(event, _OF_AN_EVENT),
        "tags": _tags(request),
        "exception": {"values": [_error(error) for error in errors]},
    }
    if entry := event.get("logentry"):
        sent["logentry"] = {
            "message": harmless(str(entry.get("message") or "")),
            "formatted": harmless(str(entry.get("formatted") or entry.get("message") or "")),
        }
    # Of a view or a task; where there is none, Sentry's library takes the path in its place.
    if re.fullmatch(r"[\w.]+", name := str(event.get("transaction") or "")):
        sent["transaction"] = name
    return sent


def _error(error: dict[str, Any]) -> dict[str, Any]:
    frames = (error.get("stacktrace") or {}).get("frames") or []
    return {
        **_chosen(error, _OF_AN_ERROR),
        "value": harmless(str(error.get("value") or "")),
        "stacktrace": {"frames": [_chosen(frame, _OF_A_FRAME) for frame in frames]},
    }


def _chosen(holder: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: holder[name] for name in names if name in holder}


def _tags(request: dict[str, Any]) -> dict[str, str]:
    ids = current_ids.get()
    named = {"request_id": ids.request_id, "correlation_id": ids.correlation_id} if ids else {}
    path = re.sub(r"^[a-z]+://[^/]*|[?#].*$", "", str(request.get("url") or ""))
    asked = {"method": str(request.get("method") or ""), "module": module_of(path)} if path else {}
    return {**named, **asked}


def harmless(text: str) -> str:
    """Our words without what may be in them of partners' and drivers' data."""

    def hide(found: re.Match[str]) -> str:
        return found[0] if len(found[0]) <= _TOO_SHORT_FOR_THAT else MASK

    return _PERHAPS_PERSONAL.sub(hide, _DETAIL.sub(MASK, without_secrets(text)))
