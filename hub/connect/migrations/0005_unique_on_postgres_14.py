"""Uniqueness that PostgreSQL 14 can keep too."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('connect', '0004_provider_app_refused_at'),
        ('tenants', '0003_unique_on_postgres_14'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='providerapp',
            name='provider_app_once_per_tenant',
        ),
        migrations.AddConstraint(
            model_name='providerapp',
            constraint=models.UniqueConstraint(fields=('provider', 'tenant'), name='provider_app_once_per_tenant'),
        ),
        migrations.AddConstraint(
            model_name='providerapp',
            constraint=models.UniqueConstraint(condition=models.Q(('tenant', None)), fields=('provider',), name='provider_app_once_for_all'),
        ),
    ]
