"""Have PostgreSQL tell of every change that matters to who a partner is (ocpi_hub/partners/directory.py).

Of a platform its signs of life are left out: they change all the time, and nobody remembers them.
"""

from django.db import migrations

ANY = "INSERT OR DELETE OR UPDATE"
SIGNS_OF_LIFE = "'{last_heard_at,missed_probes,next_probe_at,probe_outcome}'::text[]"
EXECUTE = "EXECUTE FUNCTION hub_partners_changed()"
TRIGGERS = [
    (table, "tell_of_changes", f"{ANY} ON {table} FOR EACH STATEMENT")
    for table in ("partners_party", "partners_endpoint", "partners_issuedtoken", "partners_agreement")
] + [
    ("partners_platform", "tell_of_platforms", "INSERT OR DELETE ON partners_platform FOR EACH STATEMENT"),
    (
        "partners_platform",
        "tell_of_changes",
        "UPDATE ON partners_platform FOR EACH ROW WHEN"
        f" (to_jsonb(OLD) - {SIGNS_OF_LIFE} IS DISTINCT FROM to_jsonb(NEW) - {SIGNS_OF_LIFE})",
    ),
]

FUNCTION = """
CREATE FUNCTION hub_partners_changed() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_notify('hub_partners', ''); RETURN NULL; END $$
"""


class Migration(migrations.Migration):
    dependencies = [("partners", "0005_timeouts_and_relays")]

    operations = [
        migrations.RunSQL(FUNCTION, "DROP FUNCTION hub_partners_changed()"),
        *(
            migrations.RunSQL(
                f"CREATE TRIGGER {name} AFTER {when} {EXECUTE}", f"DROP TRIGGER {name} ON {table}"
            )
            for table, name, when in TRIGGERS
        ),
    ]
