"""Fixtures of the tests of the proof: CDRs and Sessions on their way from the operator to the provider."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import httpx
import pytest
from django.utils import timezone

from ocpi_hub.proof import runs
from ocpi_hub.proof.models import Gap, Reconciliation, Run
from tests import examples
from tests.partners import Partner, enveloped


def no_pause(seconds: float) -> None:
    pass


@pytest.fixture
def reconcile(db: None) -> Callable[..., Run]:
    """Run a reconciliation with a partner to its end."""

    def reconcile(partner: Partner, now: datetime | None = None, **wanted: Any) -> Run:
        run = runs.start(partner.platform, now or timezone.now(), **wanted)
        assert run is not None
        return runs.follow(run, no_pause)

    return reconcile


@pytest.fixture
def held(emsp: Partner) -> dict[str, Any]:
    """What the provider holds of CDRs and Sessions, by path; it gives each CDR a URL and allows GET."""
    holdings: dict[str, Any] = {}

    def answer(request: httpx.Request) -> httpx.Response | None:
        path = request.url.path
        if request.method == "POST" and path == "/receiver/cdrs":
            body = json.loads(request.read())
            holdings[f"/kept/{body['id']}"] = body
            return enveloped(Location=f"https://msp.example/kept/{body['id']}")
        if request.method == "PUT" and path.startswith("/receiver/sessions/"):
            holdings[path] = json.loads(request.read())
            return enveloped()
        if request.method == "GET" and path.startswith(("/kept/", "/receiver/")):
            found = holdings.get(path)
            return enveloped(found) if found else enveloped(None, 2001, 404)
        return None

    emsp.answers.append(answer)
    return holdings


@pytest.fixture
def send_cdrs(cpo: Partner, deliver: Any) -> Callable[..., None]:
    def send_cdrs(*ids: str, **changes: Any) -> None:
        for cdr_id in ids:
            answered = cpo.post("receiver/cdrs", examples.cdr(id=cdr_id, **changes))
            assert answered.codes in ((201, 1000), (200, 1000)), answered.envelope
        deliver()

    return send_cdrs


def counted(partner: Partner, module: str) -> dict[str, Any]:
    """The newest row's counts that are not nought."""
    row = Reconciliation.objects.filter(platform=partner.platform, module=module).first()
    names = ("accepted", "acknowledged", "waiting", "given_up", "never_sent", "asked", "held", "lost", "different",
             "unclear", "gaps")  # fmt: skip
    return {name: getattr(row, name) for name in names if row and getattr(row, name)}


def open_gaps(partner: Partner) -> dict[str, str]:
    """Kind of each open gap, by the object's name."""
    rows = Gap.objects.filter(platform=partner.platform, state__in=["OPEN", "FILLING"])
    return {row.name: row.kind for row in rows}
