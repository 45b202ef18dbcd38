"""PUT of a Session: a bare view that checks the Struct and upserts, and the usual view of a REST framework."""

from datetime import UTC, datetime

import msgspec
from django.db import connection
from django.http import HttpRequest, HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from benchmarks.rivals.serializers import SessionSerializer
from ocpi_hub.protocol.sessions import Session

DECODER = msgspec.json.Decoder(Session)
UPSERT = """
INSERT INTO rivals_baresession (country_code, party_id, session_id, status, start_date_time, end_date_time, kwh,
                                location_id, last_updated, document)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (country_code, party_id, session_id) DO UPDATE SET
    status = excluded.status, start_date_time = excluded.start_date_time, end_date_time = excluded.end_date_time,
    kwh = excluded.kwh, location_id = excluded.location_id, last_updated = excluded.last_updated,
    document = excluded.document
"""


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def bare(request: HttpRequest, country_code: str, party_id: str, session_id: str) -> HttpResponse:
    try:
        wire = DECODER.decode(request.body)
    except msgspec.MsgspecError as error:
        return answer(2001, str(error))
    if (wire.country_code, wire.party_id, wire.id) != (country_code, party_id, session_id):
        return answer(2001, "the URL names another Session")
    with connection.cursor() as cursor:
        cursor.execute(
            UPSERT,
            [
                *(wire.country_code, wire.party_id, wire.id, wire.status, wire.start_date_time),
                *(wire.end_date_time, wire.kwh, wire.location_id, wire.last_updated, request.body.decode()),
            ],
        )
    return answer(1000)


def answer(status_code: int, message: str | None = None) -> HttpResponse:
    body = msgspec.json.encode({"status_code": status_code, "status_message": message, "timestamp": now()})
    return HttpResponse(body, content_type="application/json")


class SessionView(APIView):
    def put(self, request: Request, country_code: str, party_id: str, session_id: str) -> Response:
        serializer = SessionSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        serializer.save()
        return Response({"status_code": 1000, "timestamp": now()})
