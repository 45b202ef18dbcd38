"""Remember since when what changes is pushed to an interface; of those that are there already nobody knows."""

import django.utils.timezone
from django.db import migrations, models

HELP = "from when on what changes is pushed there; empty: since the platform is connected"


def since(**default: object) -> models.DateTimeField:
    return models.DateTimeField(blank=True, editable=False, help_text=HELP, null=True, **default)


class Migration(migrations.Migration):
    dependencies = [("partners", "0010_deliveries_per_minute")]

    operations = [
        migrations.AddField("endpoint", "since", since()),
        migrations.AlterField("endpoint", "since", since(default=django.utils.timezone.now)),
    ]
