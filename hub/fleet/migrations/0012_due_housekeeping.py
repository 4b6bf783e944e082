from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("fleet", "0011_due_identities"),
    ]

    operations = [
        migrations.AlterField(
            model_name="due",
            name="kind",
            field=models.CharField(
                choices=[
                    ("sync", "Sync"),
                    ("destination", "Destination"),
                    ("outbox", "Outbox"),
                    ("refresh", "Refresh"),
                    ("disconnect", "Disconnect"),
                    ("shadow", "Shadow diff"),
                    ("preflight", "Pre-flight"),
                    ("identities", "Identities"),
                    ("housekeeping", "Housekeeping"),
                ],
                max_length=12,
            ),
        ),
    ]
