"""The audit log, partitioned by month from the start."""

from datetime import date

import hub.fields
from django.db import migrations, models

from hub.audit.partitions import ensure_partitions


CREATE = """
CREATE TABLE public.audit_event (
    id uuid NOT NULL,
    at timestamptz NOT NULL,
    seq bigint GENERATED ALWAYS AS IDENTITY,
    tenant_id uuid,
    actor_kind varchar(20) NOT NULL,
    actor_id varchar(64) NOT NULL,
    actor_label varchar(200) NOT NULL,
    action varchar(40) NOT NULL,
    outcome varchar(10) NOT NULL,
    target_kind varchar(40) NOT NULL,
    target_id varchar(64) NOT NULL,
    target_label varchar(200) NOT NULL,
    detail jsonb NOT NULL DEFAULT '{}',
    request_id varchar(40) NOT NULL,
    client_address varchar(45) NOT NULL,
    PRIMARY KEY (id, at)
) PARTITION BY RANGE (at);
CREATE TABLE public.audit_event_rest PARTITION OF public.audit_event DEFAULT;
CREATE INDEX audit_event_by_time ON public.audit_event (at DESC);
CREATE INDEX audit_event_by_tenant ON public.audit_event (tenant_id, at DESC);
CREATE INDEX audit_event_by_target ON public.audit_event (target_id, at DESC);
CREATE INDEX audit_event_by_seq ON public.audit_event (seq);
"""


def make_partitions(apps, schema_editor):
    """Needed here so that the first events do not go to the partition of the rest."""
    ensure_partitions(date.today())


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='AuditEvent',
            fields=[
                ('id', hub.fields.UUID7Field(default=hub.fields.uuid7, editable=False, primary_key=True, serialize=False)),
                ('at', models.DateTimeField()),
                ('seq', models.BigIntegerField(editable=False, null=True)),
                ('tenant_id', models.UUIDField(null=True)),
                ('actor_kind', models.CharField(max_length=20)),
                ('actor_id', models.CharField(blank=True, max_length=64)),
                ('actor_label', models.CharField(blank=True, max_length=200, verbose_name='actor')),
                ('action', models.CharField(choices=[('login.succeeded', 'Signed in'), ('login.failed', 'Sign-in failed'), ('login.ended', 'Signed out'), ('token.issued', 'API token issued'), ('access.refused', 'Access refused'), ('tenant.created', 'Tenant created'), ('tenant.suspended', 'Tenant suspended'), ('tenant.resumed', 'Tenant resumed'), ('tenant.closing', 'Tenant closing'), ('tenant.closed', 'Tenant closed'), ('membership.changed', 'Membership changed'), ('api_key.created', 'API key created'), ('api_key.revoked', 'API key revoked'), ('provider_app.changed', 'Provider app changed'), ('connect.started', 'Connecting started'), ('connect.refused', 'Connecting refused'), ('connection.created', 'Connection created'), ('connection.reconnected', 'Connection reconnected'), ('connection.changed', 'Connection changed'), ('connection.paused', 'Connection paused'), ('connection.resumed', 'Connection resumed'), ('connection.broken', 'Connection needs a person'), ('connection.repaired', 'Connection works again'), ('credentials.read', 'Credentials read'), ('credentials.refreshed', 'Access renewed'), ('credentials.unreadable', 'Credentials did not open'), ('sync.requested', 'Sync requested'), ('sync.cancelled', 'Sync cancelled'), ('sync.failed', 'Sync failed'), ('record.replayed', 'Rejected record replayed')], max_length=40)),
                ('outcome', models.CharField(choices=[('succeeded', 'Succeeded'), ('failed', 'Failed'), ('refused', 'Refused')], default='succeeded', max_length=10)),
                ('target_kind', models.CharField(blank=True, max_length=40)),
                ('target_id', models.CharField(blank=True, max_length=64)),
                ('target_label', models.CharField(blank=True, max_length=200, verbose_name='object')),
                ('detail', models.JSONField(blank=True, default=dict)),
                ('request_id', models.CharField(blank=True, max_length=40)),
                ('client_address', models.CharField(blank=True, max_length=45)),
            ],
            options={
                'db_table': 'audit_event',
                'ordering': ('-at',),
                'managed': False,
            },
        ),
        migrations.RunSQL(CREATE, reverse_sql="DROP TABLE public.audit_event"),
        migrations.RunPython(make_partitions, migrations.RunPython.noop),
    ]
