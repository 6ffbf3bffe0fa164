import django.db.models.deletion
import uuid
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('flows', '0003_row_level_security'),
        ('tenancy', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Conversation',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('flow_key', models.CharField(help_text='flow_id of the bottom frame, for filters and metrics', max_length=63)),
                ('channel', models.CharField(default='web', max_length=40)),
                ('user_ref', models.CharField(blank=True, help_text="The client's own name of the user", max_length=200)),
                ('locale', models.CharField(default='en', max_length=20)),
                ('status', models.CharField(default='active', max_length=10)),
                ('current_state', models.CharField(blank=True, max_length=63)),
                ('snapshot', models.JSONField(default=dict)),
                ('awaiting', models.CharField(blank=True, max_length=80)),
                ('rev', models.PositiveIntegerField(default=0)),
                ('next_turn', models.PositiveIntegerField(default=1)),
                ('queued', models.PositiveIntegerField(default=0)),
                ('last_seq', models.PositiveIntegerField(default=0)),
                ('created_at', models.DateTimeField()),
                ('updated_at', models.DateTimeField()),
                ('environment', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='flows.environment')),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenancy.tenant')),
                ('version', models.ForeignKey(help_text='Version of the bottom frame', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='flows.flowversion')),
            ],
            options={
                'ordering': ('-updated_at', 'id'),
                'indexes': [models.Index(fields=['tenant', '-updated_at'], name='conversation_recent'), models.Index(fields=['tenant', 'user_ref'], name='conversation_user'), models.Index(condition=models.Q(('queued__gt', 0)), fields=['updated_at'], name='conversation_queue')],
            },
        ),
        migrations.CreateModel(
            name='Timer',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('token', models.CharField(max_length=120, unique=True)),
                ('due_at', models.DateTimeField()),
                ('status', models.CharField(choices=[('pending', 'Pending'), ('claimed', 'Claimed'), ('fired', 'Fired'), ('cancelled', 'Cancelled'), ('dead', 'Dead')], default='pending', max_length=10)),
                ('claimed_at', models.DateTimeField(null=True)),
                ('attempts', models.PositiveSmallIntegerField(default=0)),
                ('conversation', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='timers', to='conversations.conversation')),
                ('tenant', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenancy.tenant')),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('status__in', ('pending', 'claimed'))), fields=['due_at'], name='timer_due')],
            },
        ),
        migrations.CreateModel(
            name='Turn',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('number', models.PositiveIntegerField(help_text='Order of arrival, without gaps')),
                ('kind', models.CharField(choices=[('start', 'Start'), ('message', 'Message'), ('timer', 'Timer'), ('callback', 'Callback'), ('command', 'Command'), ('migration', 'Migration')], max_length=10)),
                ('client_message_id', models.CharField(max_length=160)),
                ('request_sha256', models.CharField(max_length=64)),
                ('request', models.JSONField(default=dict, help_text='The input as it entered the engine')),
                ('status', models.CharField(choices=[('queued', 'Queued'), ('running', 'Running'), ('done', 'Done'), ('failed', 'Failed'), ('dead', 'Dead')], max_length=10)),
                ('reply', models.JSONField(help_text='The stored result that every duplicate gets', null=True)),
                ('trace', models.JSONField(default=list)),
                ('error', models.JSONField(null=True)),
                ('attempts', models.PositiveSmallIntegerField(default=0)),
                ('created_at', models.DateTimeField()),
                ('finished_at', models.DateTimeField(null=True)),
                ('conversation', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='turns', to='conversations.conversation')),
                ('tenant', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenancy.tenant')),
            ],
            options={
                'ordering': ('conversation_id', 'number'),
                'indexes': [models.Index(condition=models.Q(('status__in', ('queued', 'running'))), fields=['status', 'created_at'], name='turn_open')],
                'constraints': [models.UniqueConstraint(fields=('conversation', 'client_message_id'), name='turn_message_once'), models.UniqueConstraint(fields=('conversation', 'number'), name='turn_number_once')],
            },
        ),
        migrations.CreateModel(
            name='Effect',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('effect_id', models.CharField(max_length=80)),
                ('step_key', models.CharField(max_length=120)),
                ('integration_id', models.CharField(max_length=63)),
                ('request', models.JSONField(default=dict)),
                ('request_sha256', models.CharField(max_length=64)),
                ('idempotency_key', models.CharField(max_length=64)),
                ('status', models.CharField(choices=[('started', 'Started'), ('succeeded', 'Succeeded'), ('failed', 'Failed'), ('unknown', 'Unknown')], default='started', max_length=10)),
                ('result', models.JSONField(null=True)),
                ('attempts', models.PositiveSmallIntegerField(default=0)),
                ('deadline', models.DateTimeField(help_text='Not finished by then: recovery takes it up')),
                ('created_at', models.DateTimeField()),
                ('finished_at', models.DateTimeField(null=True)),
                ('conversation', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='effects', to='conversations.conversation')),
                ('tenant', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenancy.tenant')),
                ('turn', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='effects', to='conversations.turn')),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('status', 'started')), fields=['deadline'], name='effect_overdue')],
                'constraints': [models.UniqueConstraint(fields=('turn', 'step_key'), name='effect_step_once'), models.UniqueConstraint(fields=('conversation', 'effect_id'), name='effect_id_once')],
            },
        ),
        migrations.CreateModel(
            name='ConversationEvent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('seq', models.PositiveIntegerField()),
                ('kind', models.CharField(max_length=40)),
                ('data', models.JSONField(default=dict)),
                ('at', models.DateTimeField()),
                ('conversation', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='events', to='conversations.conversation')),
                ('tenant', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenancy.tenant')),
                ('turn', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='events', to='conversations.turn')),
            ],
            options={
                'ordering': ('conversation_id', 'seq'),
                'constraints': [models.UniqueConstraint(fields=('conversation', 'seq'), name='event_seq_once')],
            },
        ),
    ]
