from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("fleet", "0012_due_housekeeping"),
    ]

    operations = [
        migrations.AddField(
            model_name="due",
            name="faulted_since",
            field=models.DateTimeField(
                blank=True,
                help_text="Since when each attempt met a fault of the database.",
                null=True,
            ),
        ),
    ]
