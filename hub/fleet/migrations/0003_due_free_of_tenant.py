"""The oldest due work of one tenant is found at once, however much it has."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('fleet', '0002_claims_and_stopping'),
        ('tenants', '0001_initial'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='due',
            index=models.Index(condition=models.Q(('due_at__isnull', False), ('lease_until', None)), fields=['tenant', 'due_at'], name='due_free_of_tenant'),
        ),
    ]
