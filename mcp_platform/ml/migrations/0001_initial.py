import django.db.models.deletion
import uuid
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('tenancy', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='ModelVersion',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(max_length=40)),
                ('subject', models.CharField(max_length=120)),
                ('number', models.PositiveIntegerField()),
                ('status', models.CharField(choices=[('candidate', 'Candidate'), ('champion', 'Champion'), ('retired', 'Retired'), ('rejected', 'Rejected')], default='candidate', max_length=10)),
                ('sha256', models.CharField(help_text='Of the artifact', max_length=64)),
                ('signature', models.CharField(help_text='HMAC-SHA256 of the artifact and its identity', max_length=64)),
                ('size', models.PositiveIntegerField(help_text='Bytes of the artifact')),
                ('metrics', models.JSONField(default=dict, help_text='Measured on data that the model had not seen')),
                ('card', models.JSONField(default=dict, help_text='How it was made, and what it is for')),
                ('data_sha256', models.CharField(help_text='Of the training data', max_length=64)),
                ('gates', models.JSONField(default=list, help_text='The verdicts when it was last judged')),
                ('created_by', models.CharField(max_length=200)),
                ('created_at', models.DateTimeField()),
                ('promoted_at', models.DateTimeField(null=True)),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenancy.tenant')),
            ],
            options={
                'verbose_name': 'model',
                'ordering': ('-created_at',),
                'constraints': [models.UniqueConstraint(fields=('tenant', 'kind', 'subject', 'number'), name='model_number_once')],
            },
        ),
        migrations.CreateModel(
            name='Champion',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(max_length=40)),
                ('subject', models.CharField(max_length=120)),
                ('moved_at', models.DateTimeField()),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenancy.tenant')),
                ('model', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='ml.modelversion')),
                ('previous', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='ml.modelversion')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('tenant', 'kind', 'subject'), name='champion_once')],
            },
        ),
        migrations.CreateModel(
            name='ModelArtifact',
            fields=[
                ('model', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='artifact', serialize=False, to='ml.modelversion')),
                ('content', models.BinaryField()),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenancy.tenant')),
            ],
            options={
                'abstract': False,
            },
        ),
    ]
