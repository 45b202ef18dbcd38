"""Whether a hop is the hub's own check of a partner, which lists of journeys leave out."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("journal", "0002_above_budget")]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE journal_hop ADD COLUMN is_check boolean NOT NULL DEFAULT false",
            "ALTER TABLE journal_hop DROP COLUMN is_check",
        )
    ]
