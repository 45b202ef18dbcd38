from django.db import migrations

# What another hub told carried that hub's key as its audience, which from now on is the viewer that an entry is for.
FORWARD = """
UPDATE hubclientinfo_clientinfo SET object_id = audience, audience = '-' WHERE audience <> '';
UPDATE exchange_tally SET audience = '-' WHERE module = 'hubclientinfo' AND audience <> '';
"""
# Entries for one viewer are the hub's to write again; they would be taken for what that viewer told.
BACKWARD = """
DELETE FROM hubclientinfo_clientinfo WHERE object_id = '' AND audience <> '';
UPDATE hubclientinfo_clientinfo SET audience = object_id, object_id = '' WHERE object_id <> '';
"""


class Migration(migrations.Migration):
    dependencies = [
        ("hubclientinfo", "0001_initial"),
        ("exchange", "0006_tally"),
    ]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
