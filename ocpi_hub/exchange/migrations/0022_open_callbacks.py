"""Requests that were open when a hub learnt to tell of those whose result never comes get their time as well.

Those are the ones of the last day before 0015; of older ones nobody expects a result any more. The rule is the one of
relays/deadlines.py, as it was then.
"""

from django.db import migrations

OPEN = """
UPDATE exchange_callback SET awaited_until = CASE WHEN answered_at IS NULL THEN created_at + interval '2 minutes'
    ELSE answered_at + make_interval(secs => least(coalesce(timeout, 30), 86400) + 30) END
FROM django_migrations learnt
WHERE learnt.app = 'exchange' AND learnt.name = '0015_overdue_results'
    AND created_at BETWEEN learnt.applied - interval '1 day' AND learnt.applied
    AND awaited_until IS NULL AND results = 0
    AND CASE WHEN answered_at IS NULL THEN status_code IS NULL
        ELSE answered_at < learnt.applied AND status_code BETWEEN 1000 AND 1999 AND answer IN ('', 'ACCEPTED') END
"""


class Migration(migrations.Migration):
    dependencies = [("exchange", "0021_pages_paid")]

    operations = [migrations.RunSQL(OPEN, migrations.RunSQL.noop)]
