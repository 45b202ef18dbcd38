"""Whether the process lives, and whether it can do its work."""

import pytest
from django.db import OperationalError
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder

from ocpi_hub import health

pytestmark = pytest.mark.django_db


def get(client, path):
    response = client.get(path)
    return response.status_code, response.json()


def test_a_process_that_answers_lives(client):
    assert get(client, "/healthz") == (200, {"status": "ok"})


def test_a_process_lives_without_its_services(client, settings, monkeypatch):
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    monkeypatch.setattr(health, "_database", lambda: 1 / 0)

    assert get(client, "/healthz") == (200, {"status": "ok"})


def test_it_is_ready_when_all_answer(client):
    assert get(client, "/readyz") == (200, {"status": "ready"})


def test_redis_that_is_down_is_named(client, settings):
    settings.REDIS_URL = "redis://127.0.0.1:9/0"

    assert get(client, "/readyz") == (503, {"status": "not ready", "missing": ["redis: ConnectionError"]})


def test_a_database_that_is_down_is_named_without_its_words(client, monkeypatch):
    def down(connection):
        raise OperationalError("password of user hub at 10.0.0.1")

    monkeypatch.setattr(health, "MigrationExecutor", down)

    assert get(client, "/readyz") == (503, {"status": "not ready", "missing": ["database: OperationalError"]})


def test_migrations_that_are_missing_are_counted(client):
    missing, _ = MigrationRecorder.Migration.objects.filter(app="tokens").delete()

    assert missing > 1
    assert get(client, "/readyz") == (
        503,
        {"status": "not ready", "missing": [f"migrations: {missing} not applied; run manage.py migrate"]},
    )
    assert MigrationExecutor is health.MigrationExecutor


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_only_reading_is_allowed(client, path):
    assert client.post(path).status_code == 405
