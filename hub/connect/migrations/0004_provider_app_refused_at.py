"""A provider app that is refused is known to be, since when."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('connect', '0003_attempts_wait_for_a_choice'),
    ]

    operations = [
        migrations.AddField(
            model_name='providerapp',
            name='refused_at',
            field=models.DateTimeField(editable=False, help_text='Since when the provider does not accept it.', null=True),
        ),
    ]
