"""Let the newest message about an object be found without reading the others."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("exchange", "0008_upkeep")]

    operations = [
        migrations.AddIndex("message", models.Index(fields=["parent_key", "id"], name="message_newest")),
        migrations.RemoveIndex("message", "message_parent"),
    ]
