from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("integrations", "0012_entity_shape"),
    ]

    operations = [
        migrations.AddField(
            model_name="entitytypestatus",
            name="known_from",
            field=models.DateTimeField(
                blank=True,
                help_text="Nothing older was ever read. Empty: all was, or nothing.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="entitytypestatus",
            name="resynced_at",
            field=models.DateTimeField(
                blank=True, help_text="When the provider had forgotten the position.", null=True
            ),
        ),
        migrations.AddField(
            model_name="entitytypestatus",
            name="waits_until",
            field=models.DateTimeField(
                blank=True,
                help_text="It has forgotten it again; not read in full before.",
                null=True,
            ),
        ),
        # Nobody knows any more whether what is older was read before the backfill.
        migrations.RunSQL(
            "UPDATE integrations_entitytypestatus SET known_from = not_before",
            reverse_sql=migrations.RunSQL.noop,
        ),
        migrations.RemoveField(model_name="changefeed", name="pruned_at"),
    ]
