"""A claim finds the oldest work of each provider at once, and writes fewer indexes."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('fleet', '0005_due_disconnect'),
        ('tenants', '0003_unique_on_postgres_14'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='due',
            name='due_once_per_object_and_lane',
        ),
        migrations.RemoveIndex(
            model_name='due',
            name='due_by_object',
        ),
        migrations.AlterField(
            model_name='due',
            name='tenant',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant'),
        ),
        migrations.AddIndex(
            model_name='due',
            index=models.Index(condition=models.Q(('due_at__isnull', False), ('lease_until', None)), fields=['provider', 'due_at'], name='due_free_of_provider'),
        ),
        migrations.AddIndex(
            model_name='due',
            index=models.Index(condition=models.Q(('attempts__gte', 5)), fields=['attempts'], name='due_spent'),
        ),
        migrations.AddConstraint(
            model_name='due',
            constraint=models.UniqueConstraint(fields=('object_id', 'kind', 'lane', 'tenant'), name='due_once_per_object_and_lane'),
        ),
    ]
