"""A disconnect is a row whose steps are noted as they end."""

import django.db.models.deletion
import hub.fields
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('integrations', '0002_sync_run_cancel_asked_at'),
    ]

    operations = [
        migrations.AlterField(
            model_name='connection',
            name='status',
            field=models.CharField(choices=[('active', 'Active'), ('limited', 'Limited'), ('paused', 'Paused'), ('needs_reauth', 'Needs reconnecting'), ('broken', 'Broken'), ('disconnecting', 'Disconnecting'), ('disconnected', 'Disconnected')], default='active', max_length=20),
        ),
        migrations.CreateModel(
            name='Disconnection',
            fields=[
                ('id', hub.fields.UUID7Field(default=hub.fields.uuid7, editable=False, primary_key=True, serialize=False)),
                ('keep_records', models.BooleanField()),
                ('actor_kind', models.CharField(max_length=20)),
                ('actor_id', models.CharField(blank=True, max_length=64)),
                ('actor_label', models.CharField(blank=True, max_length=200)),
                ('steps', models.JSONField(default=dict)),
                ('revoke_tries', models.PositiveSmallIntegerField(default=0)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('ended_at', models.DateTimeField(null=True)),
                ('connection', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='disconnections', to='integrations.connection')),
            ],
            options={
                'ordering': ('-created_at',),
                'constraints': [models.UniqueConstraint(condition=models.Q(('ended_at', None)), fields=('connection',), name='disconnection_one_under_way')],
            },
        ),
    ]
