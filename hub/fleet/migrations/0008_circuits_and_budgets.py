"""Circuit breakers and rate budgets, shared by all processes."""

import hub.fields
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('fleet', '0007_destination_status'),
    ]

    operations = [
        migrations.CreateModel(
            name='Circuit',
            fields=[
                ('id', hub.fields.UUID7Field(default=hub.fields.uuid7, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=400, unique=True)),
                ('scope', models.CharField(choices=[('app', 'Provider app'), ('connection', 'Connection')], max_length=12, verbose_name='level')),
                ('provider', models.CharField(max_length=40)),
                ('owner', models.CharField(blank=True, help_text='The app or the connection.', max_length=250)),
                ('tenant_id', models.UUIDField(blank=True, null=True)),
                ('state', models.CharField(choices=[('closed', 'Closed'), ('open', 'Open'), ('half_open', 'One trial')], default='closed', max_length=10)),
                ('failures', models.PositiveIntegerField(default=0, help_text='In a row.')),
                ('is_tripped', models.BooleanField(default=False, help_text='Opened by a person.')),
                ('reason', models.CharField(blank=True, max_length=300)),
                ('changed_at', models.DateTimeField(null=True, verbose_name='since')),
                ('retry_at', models.DateTimeField(null=True, verbose_name='next trial')),
                ('document', models.JSONField(default=dict, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True)),
            ],
            options={
                'ordering': ('-updated_at', 'name'),
            },
        ),
        migrations.CreateModel(
            name='RateBudget',
            fields=[
                ('id', hub.fields.UUID7Field(default=hub.fields.uuid7, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=400, unique=True)),
                ('kind', models.CharField(choices=[('budget', 'Requests in a time'), ('slots', 'Requests at one time')], max_length=8)),
                ('scope', models.CharField(choices=[('app', 'Provider app'), ('account', 'Account'), ('host', 'Host'), ('connection', 'Connection'), ('tenant', 'Tenant')], max_length=12, verbose_name='level')),
                ('provider', models.CharField(blank=True, max_length=40)),
                ('owner', models.CharField(blank=True, max_length=250)),
                ('tenant_id', models.UUIDField(blank=True, null=True)),
                ('path', models.CharField(default='*', max_length=200)),
                ('requests', models.PositiveIntegerField()),
                ('per_seconds', models.FloatField()),
                ('concurrent', models.PositiveIntegerField(null=True)),
                ('document', models.JSONField(default=dict, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True)),
            ],
            options={
                'verbose_name': 'rate budget',
                'ordering': ('-updated_at', 'name'),
                'indexes': [models.Index(fields=['updated_at'], name='fleet_budget_by_age')],
            },
        ),
    ]
