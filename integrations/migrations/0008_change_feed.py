from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('integrations', '0007_deletion_review_held'),
    ]

    operations = [
        migrations.CreateModel(
            name='ChangeFeed',
            fields=[
                ('id', models.SmallIntegerField(default=1, primary_key=True, serialize=False)),
                ('floor', models.BigIntegerField(default=0)),
                ('pruned_at', models.DateTimeField(null=True)),
            ],
            options={
                'constraints': [
                    models.CheckConstraint(
                        condition=models.Q(('id', 1)), name='change_feed_is_one_row'
                    )
                ],
            },
        ),
        migrations.AddIndex(
            model_name='record',
            index=models.Index(
                condition=models.Q(('deleted_at__isnull', False)),
                fields=['deleted_at'],
                name='record_tombstones',
            ),
        ),
    ]
