"""Who was served last among the tenants, and a unit that was told to stop."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('fleet', '0001_initial'),
        ('tenants', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='due',
            name='claimed_at',
            field=models.DateTimeField(blank=True, help_text='The last claim.', null=True),
        ),
        migrations.AddField(
            model_name='worker',
            name='stopping_at',
            field=models.DateTimeField(help_text='Told to stop: its slices end at their next position.', null=True),
        ),
        migrations.AddIndex(
            model_name='due',
            index=models.Index(fields=['tenant', '-claimed_at'], name='due_last_turn'),
        ),
    ]
