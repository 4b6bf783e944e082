"""A running sync can be asked to end."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('integrations', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='syncrun',
            name='cancel_asked_at',
            field=models.DateTimeField(blank=True, help_text='The worker that holds it ends it at the next position.', null=True),
        ),
    ]
