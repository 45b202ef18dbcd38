"""Let the operator say for each partner what happens with what it lacks."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("partners", "0008_reports_by_email")]

    operations = [
        migrations.AddField(
            "platform",
            "gap_policy",
            models.CharField(
                choices=[
                    ("LIST", "it is listed, and an operator decides"),
                    ("FILL", "it is delivered once more, at once"),
                ],
                default="LIST",
                help_text="what happens with what the nightly proof finds missing at it",
                max_length=4,
            ),
        ),
    ]
