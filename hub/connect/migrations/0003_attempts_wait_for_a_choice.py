"""An attempt stays open until the user has chosen one of several accounts."""

import hub.fields
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('connect', '0002_allowed_addresses'),
    ]

    operations = [
        migrations.AddField(
            model_name='connectattempt',
            name='choice',
            field=hub.fields.EncryptedField(null=True),
        ),
        migrations.AddField(
            model_name='connectattempt',
            name='display',
            field=models.CharField(db_default='page', default='page', max_length=10),
        ),
    ]
