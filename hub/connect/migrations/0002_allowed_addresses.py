"""Where people may be sent back to, and on whose pages the connect page may stand."""

import django.db.models.deletion
import hub.fields
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('connect', '0001_initial'),
        ('tenants', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='connectsession',
            name='return_state',
            field=models.CharField(blank=True, db_default='', default='', max_length=500),
        ),
        migrations.CreateModel(
            name='AllowedAddress',
            fields=[
                ('id', hub.fields.UUID7Field(default=hub.fields.uuid7, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(choices=[('return', 'Return address'), ('embed', 'Embedding page')], max_length=10)),
                ('address', models.CharField(max_length=500)),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant')),
            ],
            options={
                'verbose_name_plural': 'allowed addresses',
                'ordering': ('kind', 'address'),
                'constraints': [models.UniqueConstraint(fields=('tenant', 'kind', 'address'), name='allowed_address_once_per_tenant')],
            },
        ),
    ]
