"""Whether a hop has no bodies because its platform's were too large together."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("journal", "0001_hops")]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE journal_hop ADD COLUMN above_budget boolean NOT NULL DEFAULT false",
            "ALTER TABLE journal_hop DROP COLUMN above_budget",
        )
    ]
