"""Everything a tenant has in its own schema."""

import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.db.models.deletion
import hub.fields
from django.db import migrations, models


# Large JSON is stored with lz4 where the server has it: faster to write and to read than pglz.
COMPRESS = """
DO $$ BEGIN
    ALTER TABLE integrations_record ALTER COLUMN raw SET COMPRESSION lz4;
    ALTER TABLE integrations_record ALTER COLUMN data SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported OR invalid_parameter_value THEN NULL;
END $$
"""


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='Connection',
            fields=[
                ('id', hub.fields.UUID7Field(default=hub.fields.uuid7, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=200)),
                ('provider', models.CharField(max_length=40)),
                ('auth_kind', models.CharField(help_text='oauth2, api_key, basic, …', max_length=20)),
                ('account_id', models.CharField(max_length=200)),
                ('account_label', models.CharField(blank=True, max_length=200, verbose_name='account')),
                ('source_system', models.CharField(max_length=250)),
                ('extra', models.JSONField(blank=True, default=dict, help_text='Not secret: realmId, instance_url, …')),
                ('settings', models.JSONField(blank=True, default=dict, help_text='What the tenant chose.')),
                ('interval_seconds', models.PositiveIntegerField(default=3600)),
                ('credentials', hub.fields.EncryptedField(null=True)),
                ('granted_scopes', models.JSONField(blank=True, default=list, editable=False)),
                ('access_expires_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('credential_generation', models.PositiveIntegerField(default=0, editable=False)),
                ('status', models.CharField(choices=[('active', 'Active'), ('limited', 'Limited'), ('paused', 'Paused'), ('needs_reauth', 'Needs reconnecting'), ('broken', 'Broken'), ('disconnected', 'Disconnected')], default='active', max_length=20)),
                ('error_code', models.CharField(blank=True, editable=False, max_length=60)),
                ('error', models.CharField(blank=True, editable=False, max_length=500, verbose_name='for the operator')),
                ('customer_message', models.CharField(blank=True, editable=False, max_length=500, verbose_name='for the customer')),
                ('last_success_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
            ],
            options={
                'ordering': ('provider', 'name'),
                'constraints': [models.UniqueConstraint(condition=models.Q(('status', 'disconnected'), _negated=True), fields=('source_system',), name='connection_once_per_account')],
            },
        ),
        migrations.CreateModel(
            name='Record',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('source_system', models.CharField(max_length=250)),
                ('entity_type', models.CharField(max_length=60)),
                ('source_id', models.CharField(max_length=300)),
                ('scope', models.CharField(blank=True, max_length=300)),
                ('connection_id', models.UUIDField()),
                ('run_id', models.UUIDField(help_text='The run that last changed it.')),
                ('generation', models.PositiveIntegerField(default=1)),
                ('record_type', models.CharField(max_length=30)),
                ('title', models.CharField(blank=True, help_text='What a person calls it.', max_length=300)),
                ('data', models.JSONField()),
                ('raw', models.JSONField()),
                ('content_hash', models.BinaryField()),
                ('source_changed_at', models.DateTimeField(null=True)),
                ('first_seen_at', models.DateTimeField()),
                ('changed_at', models.DateTimeField()),
                ('deleted_at', models.DateTimeField(null=True)),
                ('change_seq', models.BigIntegerField()),
            ],
            options={
                'ordering': ('-change_seq',),
                'indexes': [models.Index(fields=['change_seq'], name='record_by_change'), models.Index(fields=['record_type', 'id'], name='record_by_type'), models.Index(fields=['connection_id', 'entity_type', 'id'], name='record_by_connection'), django.contrib.postgres.indexes.GinIndex(django.contrib.postgres.search.SearchVector('title', config='simple'), name='record_by_title')],
                'constraints': [models.UniqueConstraint(fields=('source_system', 'entity_type', 'source_id'), name='record_once')],
            },
        ),
        migrations.CreateModel(
            name='Checkpoint',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('entity_type', models.CharField(max_length=60)),
                ('scope', models.CharField(blank=True, max_length=300)),
                ('destination', models.CharField(default='postgres', max_length=60)),
                ('generation', models.PositiveIntegerField(default=1)),
                ('cursor', models.JSONField(default=dict)),
                ('done_in_run', models.UUIDField(null=True)),
                ('fence', models.BigIntegerField(default=0)),
                ('committed_at', models.DateTimeField()),
                ('connection', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='checkpoints', to='integrations.connection')),
            ],
            options={
                'ordering': ('entity_type', 'scope'),
                'constraints': [models.UniqueConstraint(fields=('connection', 'entity_type', 'scope', 'destination'), name='checkpoint_once_per_scope')],
            },
        ),
        migrations.CreateModel(
            name='EntityTypeStatus',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('entity_type', models.CharField(max_length=60)),
                ('generation', models.PositiveIntegerField(default=1)),
                ('is_complete', models.BooleanField(default=False)),
                ('not_before', models.DateTimeField(blank=True, help_text='Backfill begins here.', null=True)),
                ('full_read_at', models.DateTimeField(blank=True, null=True)),
                ('checkpoint_at', models.DateTimeField(blank=True, null=True)),
                ('unavailable_reason', models.CharField(blank=True, max_length=300)),
                ('connection', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='entity_type_statuses', to='integrations.connection')),
            ],
            options={
                'verbose_name': 'entity type',
                'ordering': ('entity_type',),
                'constraints': [models.UniqueConstraint(fields=('connection', 'entity_type'), name='entity_type_status_once')],
            },
        ),
        migrations.CreateModel(
            name='RecordLink',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('field', models.CharField(max_length=60)),
                ('position', models.PositiveSmallIntegerField(default=0)),
                ('target_system', models.CharField(max_length=250)),
                ('target_type', models.CharField(max_length=60)),
                ('target_source_id', models.CharField(max_length=300)),
                ('record', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='links', to='integrations.record')),
                ('target', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='linked_from', to='integrations.record')),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('target', None)), fields=['target_system', 'target_type', 'target_source_id'], name='record_link_waiting')],
                'constraints': [models.UniqueConstraint(fields=('record', 'field', 'position'), name='record_link_once')],
            },
        ),
        migrations.CreateModel(
            name='RejectedRecord',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('run_id', models.UUIDField()),
                ('source_system', models.CharField(max_length=250)),
                ('entity_type', models.CharField(max_length=60)),
                ('source_id', models.CharField(max_length=300)),
                ('scope', models.CharField(blank=True, max_length=300)),
                ('reason', models.CharField(max_length=500)),
                ('raw', models.BinaryField()),
                ('times', models.PositiveIntegerField(default=1)),
                ('first_at', models.DateTimeField()),
                ('last_at', models.DateTimeField()),
                ('resolved_at', models.DateTimeField(blank=True, null=True)),
                ('connection', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='rejected_records', to='integrations.connection')),
            ],
            options={
                'ordering': ('-last_at',),
                'constraints': [models.UniqueConstraint(fields=('source_system', 'entity_type', 'source_id'), name='rejected_record_once')],
            },
        ),
        migrations.CreateModel(
            name='SyncRun',
            fields=[
                ('id', hub.fields.UUID7Field(default=hub.fields.uuid7, editable=False, primary_key=True, serialize=False)),
                ('lane', models.CharField(default='live', max_length=10)),
                ('mode', models.CharField(choices=[('incremental', 'Incremental'), ('full', 'Full')], default='incremental', max_length=12)),
                ('trigger', models.CharField(choices=[('schedule', 'Schedule'), ('manual', 'Button'), ('api', 'API'), ('command', 'Command'), ('connect', 'First sync')], default='schedule', max_length=10)),
                ('entity_types', models.JSONField(blank=True, default=list, help_text='Empty: all of them.')),
                ('state', models.CharField(choices=[('queued', 'Queued'), ('running', 'Running'), ('succeeded', 'Succeeded'), ('failed', 'Failed'), ('cancelled', 'Cancelled')], default='queued', max_length=10)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('started_at', models.DateTimeField(blank=True, null=True)),
                ('ended_at', models.DateTimeField(blank=True, null=True)),
                ('progress_at', models.DateTimeField(blank=True, help_text='The last batch committed.', null=True)),
                ('counts', models.JSONField(blank=True, default=dict)),
                ('slices', models.PositiveIntegerField(default=0)),
                ('calls', models.PositiveIntegerField(default=0, help_text='Requests to the provider.')),
                ('error_code', models.CharField(blank=True, max_length=60)),
                ('error', models.CharField(blank=True, max_length=500)),
                ('connection', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='sync_runs', to='integrations.connection')),
            ],
            options={
                'ordering': ('-created_at',),
                'indexes': [models.Index(fields=['connection', '-created_at'], name='sync_run_history')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('state__in', ('queued', 'running'))), fields=('connection', 'lane'), name='sync_run_one_open_per_lane')],
            },
        ),
        migrations.RunSQL(
            "CREATE SEQUENCE integrations_change_seq",
            reverse_sql="DROP SEQUENCE integrations_change_seq",
        ),
        migrations.RunSQL(COMPRESS, migrations.RunSQL.noop),
    ]
