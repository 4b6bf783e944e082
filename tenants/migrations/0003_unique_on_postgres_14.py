"""Uniqueness that PostgreSQL 14 can keep too."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('tenants', '0002_data_key_is_current'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='datakey',
            name='data_key_one_is_current',
        ),
        migrations.AddConstraint(
            model_name='datakey',
            constraint=models.UniqueConstraint(condition=models.Q(('is_current', True)), fields=('tenant',), name='data_key_one_is_current'),
        ),
        migrations.AddConstraint(
            model_name='datakey',
            constraint=models.UniqueConstraint(condition=models.Q(('is_current', True), ('tenant', None)), fields=('is_current',), name='data_key_one_is_current_of_hub'),
        ),
    ]
