"""Whether the process lives, and whether it can do its work."""

import redis
from django.conf import settings
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe


@csrf_exempt  # nothing is changed here, and 405 is a better answer than 403
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """The process answers."""
    return JsonResponse({"status": "ok"})


@csrf_exempt
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Database and Redis answer and every migration is applied; else 503 and what is missing."""
    missing = [problem for problem in (_database(), _redis()) if problem]
    return JsonResponse(
        {"status": "ready"} if not missing else {"status": "not ready", "missing": missing},
        status=503 if missing else 200,
    )


def _database() -> str | None:
    try:
        executor = MigrationExecutor(connection)
        waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except Error as error:
        return f"database: {type(error).__name__}"
    return f"migrations: {len(waiting)} not applied; run manage.py migrate" if waiting else None


def _redis() -> str | None:
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1) as client:
            client.ping()
    except redis.RedisError as error:
        return f"redis: {type(error).__name__}"
    return None
