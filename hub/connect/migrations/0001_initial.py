"""How a connection begins."""

import django.db.models.deletion
import hub.fields
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('tenants', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='ConnectSession',
            fields=[
                ('id', hub.fields.UUID7Field(default=hub.fields.uuid7, editable=False, primary_key=True, serialize=False)),
                ('token_hash', models.BinaryField(unique=True)),
                ('end_user', models.CharField(blank=True, max_length=200)),
                ('providers', models.JSONField(default=list, help_text='Slugs that may be connected; [] is all.')),
                ('connection_id', models.UUIDField(help_text='Set when an old one is reconnected.', null=True)),
                ('return_url', models.URLField(blank=True, max_length=2000)),
                ('browser_hash', models.BinaryField(null=True)),
                ('actor_kind', models.CharField(max_length=20)),
                ('actor_id', models.CharField(blank=True, max_length=64)),
                ('actor_label', models.CharField(blank=True, max_length=200)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('expires_at', models.DateTimeField()),
                ('used_at', models.DateTimeField(null=True)),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant')),
            ],
        ),
        migrations.CreateModel(
            name='ProviderApp',
            fields=[
                ('id', hub.fields.UUID7Field(default=hub.fields.uuid7, editable=False, primary_key=True, serialize=False)),
                ('provider', models.CharField(max_length=40)),
                ('client_id', models.CharField(max_length=400)),
                ('client_secret', hub.fields.EncryptedField(null=True)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('tenant', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='provider_apps', to='tenants.tenant')),
            ],
            options={
                'ordering': ('provider',),
            },
        ),
        migrations.CreateModel(
            name='ConnectAttempt',
            fields=[
                ('id', hub.fields.UUID7Field(default=hub.fields.uuid7, editable=False, primary_key=True, serialize=False)),
                ('provider', models.CharField(max_length=40)),
                ('state_hash', models.BinaryField(unique=True)),
                ('pkce_verifier', hub.fields.EncryptedField(null=True)),
                ('redirect_uri', models.CharField(max_length=500)),
                ('scopes', models.JSONField(default=list)),
                ('browser_hash', models.BinaryField(null=True)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('expires_at', models.DateTimeField()),
                ('used_at', models.DateTimeField(null=True)),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant')),
                ('session', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='attempts', to='connect.connectsession')),
                ('provider_app', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='connect.providerapp')),
            ],
        ),
        migrations.AddConstraint(
            model_name='providerapp',
            constraint=models.UniqueConstraint(fields=('provider', 'tenant'), name='provider_app_once_per_tenant', nulls_distinct=False),
        ),
    ]
