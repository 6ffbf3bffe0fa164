import django.core.validators
import django.db.models.deletion
import flows.models
import reports.models
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('tenancy', '0001_initial'),
        ('tenancy', '__first__'),
        ('validation', '0003_rule_versions_immutable'),
    ]

    operations = [
        migrations.CreateModel(
            name='Branding',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(help_text='Shown at the head of every page', max_length=200)),
                ('is_default', models.BooleanField(default=False)),
                ('colour', models.CharField(default='#1d4ed8', max_length=7, validators=[django.core.validators.RegexValidator('^#[0-9a-fA-F]{6}$', 'A colour such as #1d4ed8.')])),
                ('logo', models.FileField(blank=True, help_text='PNG or JPEG, at most 512 KB', max_length=300, upload_to='branding/')),
                ('letterhead', models.TextField(blank=True, max_length=600)),
                ('disclaimer', models.TextField(blank=True, max_length=1000)),
                ('locale', models.CharField(choices=[('en', 'English'), ('de', 'Deutsch')], default='en', max_length=12)),
                ('paper', models.CharField(choices=[('a4', 'A4'), ('letter', 'Letter')], default='a4', max_length=6)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenancy.tenant')),
            ],
            options={
                'verbose_name_plural': 'branding',
                'ordering': ('name',),
                'constraints': [models.UniqueConstraint(condition=models.Q(('is_default', True)), fields=('tenant',), name='branding_one_default')],
            },
        ),
        migrations.CreateModel(
            name='Report',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('number', models.CharField(help_text='R-<year>-<number>, of the tenant', max_length=20)),
                ('revision', models.PositiveIntegerField(default=1)),
                ('title', models.CharField(max_length=300)),
                ('formats', models.JSONField(default=list)),
                ('look', models.JSONField(default=dict, help_text='The branding as it was, its logo by file')),
                ('document', models.BinaryField(help_text='zlib of the canonical JSON')),
                ('content_sha256', models.CharField(max_length=64)),
                ('verify_token', models.CharField(default=reports.models._token, max_length=48, unique=True)),
                ('state', models.CharField(choices=[('queued', 'Queued'), ('rendering', 'Rendering'), ('ready', 'Ready'), ('failed', 'Failed')], default='queued', max_length=10)),
                ('problem', models.JSONField(default=dict)),
                ('requested_by', models.CharField(max_length=200)),
                ('operation_id', models.UUIDField(null=True)),
                ('created_at', models.DateTimeField()),
                ('finished_at', models.DateTimeField(null=True)),
                ('building', models.ForeignKey(on_delete=django.db.models.deletion.RESTRICT, related_name='reports', to='validation.building')),
                ('run', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='reports', to='validation.validationrun')),
                ('supersedes', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='superseded_by', to='reports.report')),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenancy.tenant')),
                ('user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ('-created_at',),
                'indexes': [models.Index(fields=['tenant', '-created_at'], name='report_newest')],
                'constraints': [models.UniqueConstraint(fields=('tenant', 'number', 'revision'), name='report_number_once')],
            },
        ),
        migrations.CreateModel(
            name='FileHash',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('format', models.CharField(max_length=10)),
                ('sha256', models.CharField(db_index=True, max_length=64)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenancy.tenant')),
                ('report', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='hashes', to='reports.report')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('report', 'sha256'), name='report_hash_once')],
            },
        ),
        migrations.CreateModel(
            name='ReportCounter',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('year', models.PositiveSmallIntegerField()),
                ('last', models.PositiveIntegerField(default=0)),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenancy.tenant')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('tenant', 'year'), name='report_counter_once')],
            },
        ),
        migrations.CreateModel(
            name='ReportFile',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('format', models.CharField(max_length=10)),
                ('file', models.FileField(max_length=300, upload_to='reports/%Y/%m/')),
                ('media_type', models.CharField(max_length=100)),
                ('size', models.PositiveBigIntegerField()),
                ('sha256', models.CharField(db_index=True, max_length=64)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('report', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='files', to='reports.report')),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenancy.tenant')),
            ],
            options={
                'ordering': ('format',),
                'constraints': [models.UniqueConstraint(fields=('report', 'format'), name='report_format_once')],
            },
        ),
        migrations.CreateModel(
            name='ReportTemplate',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=200)),
                ('sections', flows.models.AuthoredJSONField(default=list, help_text='In this order: control, summary, scope, findings, plans, passed, waivers, data_quality, signoff, element_index, verification')),
                ('formats', flows.models.AuthoredJSONField(default=list, help_text='Of pdf, html, json, xlsx, csv')),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('branding', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='reports.branding')),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenancy.tenant')),
            ],
            options={
                'ordering': ('name',),
            },
        ),
        migrations.AddField(
            model_name='report',
            name='template',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='reports.reporttemplate'),
        ),
    ]
