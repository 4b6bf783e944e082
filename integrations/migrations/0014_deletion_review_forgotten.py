from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("integrations", "0013_resyncs_and_known_from"),
    ]

    operations = [
        migrations.AddField(
            model_name="deletionreview",
            name="forgotten",
            field=models.PositiveIntegerField(db_default=0, default=0, editable=False),
        ),
        # What a column is generated from cannot be altered; the table is small.
        migrations.RemoveField(model_name="deletionreview", name="held"),
        migrations.AddField(
            model_name="deletionreview",
            name="held",
            field=models.GeneratedField(
                db_persist=True,
                expression=models.Func(
                    "record_ids", function="cardinality", output_field=models.IntegerField()
                )
                + models.F("forgotten"),
                output_field=models.IntegerField(),
            ),
        ),
    ]
