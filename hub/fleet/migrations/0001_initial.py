"""What operations see of every tenant."""

import django.db.models.deletion
import django.db.models.functions.datetime
import hub.fields
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('tenants', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Worker',
            fields=[
                ('id', hub.fields.UUID7Field(default=hub.fields.uuid7, editable=False, primary_key=True, serialize=False)),
                ('host', models.CharField(max_length=200)),
                ('pid', models.IntegerField()),
                ('cluster', models.CharField(help_text='The name of its queue.', max_length=60)),
                ('processes', models.PositiveSmallIntegerField(default=1)),
                ('started_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('seen_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), help_text='The unit itself.')),
                ('beat_at', models.DateTimeField(help_text='A task that ran in its cluster.', null=True)),
                ('restarts', models.PositiveIntegerField(default=0, help_text='Clusters replaced.')),
            ],
            options={
                'ordering': ('-started_at',),
            },
        ),
        migrations.CreateModel(
            name='ConnectionStatus',
            fields=[
                ('connection_id', models.UUIDField(primary_key=True, serialize=False)),
                ('provider', models.CharField(max_length=40)),
                ('account_label', models.CharField(blank=True, max_length=200, verbose_name='account')),
                ('status', models.CharField(max_length=20)),
                ('error_code', models.CharField(blank=True, max_length=60)),
                ('error', models.CharField(blank=True, max_length=500)),
                ('last_run_id', models.UUIDField(null=True)),
                ('last_run_state', models.CharField(blank=True, max_length=12, verbose_name='last run')),
                ('last_run_at', models.DateTimeField(null=True)),
                ('last_success_at', models.DateTimeField(null=True)),
                ('records', models.BigIntegerField(default=0)),
                ('rejected', models.BigIntegerField(default=0)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='connection_statuses', to='tenants.tenant')),
            ],
            options={
                'verbose_name': 'connection',
                'ordering': ('tenant', 'provider'),
                'indexes': [models.Index(fields=['status'], name='fleet_status_by_status'), models.Index(fields=['provider'], name='fleet_status_by_provider')],
            },
        ),
        migrations.CreateModel(
            name='Due',
            fields=[
                ('id', hub.fields.UUID7Field(default=hub.fields.uuid7, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(choices=[('sync', 'Sync'), ('destination', 'Destination'), ('outbox', 'Outbox'), ('refresh', 'Refresh')], max_length=12)),
                ('object_id', models.UUIDField(help_text="The connection or destination in the tenant's schema.")),
                ('lane', models.CharField(default='live', max_length=10)),
                ('provider', models.CharField(blank=True, max_length=40)),
                ('due_at', models.DateTimeField(blank=True, help_text='Empty: paused or parked.', null=True)),
                ('interval_seconds', models.PositiveIntegerField(default=3600)),
                ('lease_until', models.DateTimeField(blank=True, null=True)),
                ('leased_by', models.UUIDField(blank=True, help_text='The worker that holds it.', null=True)),
                ('started_at', models.DateTimeField(blank=True, help_text='When the task picked it up.', null=True)),
                ('fence', models.BigIntegerField(default=0)),
                ('attempts', models.PositiveIntegerField(default=0, help_text='Claims since the last progress.')),
                ('failures', models.PositiveIntegerField(default=0, help_text='Failed runs in a row.')),
                ('parked_reason', models.CharField(blank=True, max_length=60)),
                ('run_id', models.UUIDField(blank=True, help_text='The run that is open, if one is.', null=True)),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant')),
            ],
            options={
                'verbose_name': 'due work',
                'verbose_name_plural': 'due work',
                'ordering': ('due_at',),
                'indexes': [models.Index(condition=models.Q(('due_at__isnull', False), ('lease_until', None)), fields=['due_at'], name='due_free'), models.Index(condition=models.Q(('lease_until__isnull', False)), fields=['lease_until'], name='due_leased'), models.Index(fields=['object_id'], name='due_by_object')],
                'constraints': [models.UniqueConstraint(fields=('tenant', 'kind', 'object_id', 'lane'), name='due_once_per_object_and_lane')],
            },
        ),
    ]
