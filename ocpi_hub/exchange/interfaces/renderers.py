"""OCPI answers: an envelope of JSON, whatever the caller's Accept header says."""

from collections.abc import Mapping
from typing import Any

from msgspec import UNSET
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from ocpi_hub.protocol.envelope import StatusCode, envelope, envelope_list


class AlwaysJSON(BaseContentNegotiation):
    """There is one format, so an Accept header that knows only others is overlooked."""

    def select_parser(self, request: Request, parsers: Any) -> None:
        return None

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type


class Documents(list[str]):
    """Stored documents, which go into the envelope as they are, without being parsed again."""


class EnvelopeRenderer(BaseRenderer):
    """Puts Response.data into an envelope; `answer()` and the error handler set its code and message."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None
    ) -> bytes:
        response = (renderer_context or {}).get("response")
        status_code = getattr(response, "status_code_ocpi", StatusCode.SUCCESS)
        message = getattr(response, "message", None)
        if isinstance(data, Documents):
            return envelope_list(data, status_code=status_code, status_message=message)
        return envelope(status_code, UNSET if data is None else data, status_message=message)


def answer(
    data: Any = None,
    *,
    http_status: int = 200,
    headers: Mapping[str, str] | None = None,
    message: str | None = None,
    status_code: int = StatusCode.SUCCESS,
) -> Response:
    """An answer with or without data; bytes are JSON already."""
    response = Response(data, status=http_status, headers=dict(headers or {}))
    response.message, response.status_code_ocpi = message, status_code
    return response
