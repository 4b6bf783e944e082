"""An index of what is no routine, which the audit log shows first: most rows are routine."""

from django.db import migrations

# The condition is that of `hub.audit.event_admin.ROUTINE`, as the database is asked.
CREATE = """
CREATE INDEX audit_event_of_note ON public.audit_event (tenant_id, at DESC)
WHERE NOT (
    action IN ('credentials.read', 'credentials.refreshed')
    AND outcome = 'succeeded'
)
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]

    operations = [
        migrations.RunSQL(CREATE, reverse_sql="DROP INDEX public.audit_event_of_note"),
    ]
