from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("fleet", "0010_due_shadow_and_preflight"),
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
                ],
                max_length=12,
            ),
        ),
        migrations.AlterField(
            model_name="due",
            name="object_id",
            field=models.UUIDField(
                help_text="The connection, destination or disconnection in the tenant's schema, or"
                " the tenant."
            ),
        ),
    ]
