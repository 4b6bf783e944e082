from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("integrations", "0014_deletion_review_forgotten"),
    ]

    operations = [
        migrations.AddField(
            model_name="entitytypestatus",
            name="reconcile_seconds",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="How often what was missed is looked for in full; 0: never. Empty: as"
                " often as the connection says, where the provider reports no deletions.",
                null=True,
            ),
        ),
    ]
