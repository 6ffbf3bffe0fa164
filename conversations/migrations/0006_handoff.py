import django.db.models.deletion
import uuid
from django.db import migrations, models

from mcp_platform.tenancy import rls


class Migration(migrations.Migration):

    dependencies = [("conversations", "0005_effect_retries_and_health"), ("tenancy", "0001_initial")]

    operations = [
        migrations.AlterField(
            model_name='turn',
            name='kind',
            field=models.CharField(choices=[('start', 'Start'), ('message', 'Message'), ('timer', 'Timer'), ('callback', 'Callback'), ('command', 'Command'), ('agent', 'Agent'), ('migration', 'Migration')], max_length=10),
        ),
        migrations.CreateModel(
            name='Note',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('author', models.CharField(max_length=200)),
                ('author_name', models.CharField(blank=True, max_length=200)),
                ('text', models.TextField()),
                ('at', models.DateTimeField()),
                ('conversation', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='notes', to='conversations.conversation')),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenancy.tenant')),
            ],
            options={
                'ordering': ('at', 'id'),
            },
        ),
        migrations.CreateModel(
            name='WebChannel',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('public_id', models.CharField(editable=False, help_text='In the address of the page', max_length=32, unique=True)),
                ('name', models.CharField(help_text='The title of the chat', max_length=100)),
                ('flow_id', models.CharField(help_text='The flow that visitors talk to', max_length=63)),
                ('environment', models.CharField(blank=True, help_text='Empty: the default environment', max_length=40)),
                ('locale', models.CharField(blank=True, help_text="Empty: the language of the visitor's browser", max_length=20)),
                ('allowed_origins', models.JSONField(blank=True, default=list, help_text='Sites that may show the chat in a frame, such as https://www.example.org. None: only this server.')),
                ('colour', models.CharField(default='#6d28d9', help_text='Theme colour, such as #6d28d9', max_length=7)),
                ('greeting', models.CharField(blank=True, help_text='A line above the conversation', max_length=300)),
                ('enabled', models.BooleanField(default=True)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenancy.tenant')),
            ],
            options={
                'verbose_name': 'web chat',
                'ordering': ('name',),
            },
        ),
        migrations.CreateModel(
            name='AgentPresence',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('agent', models.CharField(max_length=200)),
                ('name', models.CharField(blank=True, max_length=200)),
                ('status', models.CharField(choices=[('available', 'Available'), ('away', 'Away')], default='available', max_length=10)),
                ('seen_at', models.DateTimeField()),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenancy.tenant')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('tenant', 'agent'), name='agent_presence_once')],
            },
        ),
        migrations.CreateModel(
            name='CannedResponse',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('shortcut', models.SlugField(help_text='What agents type after a slash', max_length=40)),
                ('texts', models.JSONField(default=dict, help_text='Text by language: {"en": "…", "de": "…"}')),
                ('queue', models.CharField(blank=True, help_text='Only for conversations of this queue; empty: for all', max_length=63)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenancy.tenant')),
            ],
            options={
                'ordering': ('shortcut',),
                'constraints': [models.UniqueConstraint(fields=('tenant', 'shortcut'), name='canned_response_once')],
            },
        ),
        migrations.CreateModel(
            name='Handoff',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('status', models.CharField(choices=[('waiting', 'Waiting'), ('taken', 'Taken'), ('closed', 'Closed')], default='waiting', max_length=10)),
                ('outcome', models.CharField(blank=True, help_text='Of a closed one: resumed, unanswered, restarted, or how the conversation ended', max_length=40)),
                ('queue', models.CharField(blank=True, help_text='Empty: the general queue', max_length=63)),
                ('priority', models.PositiveSmallIntegerField(default=100, help_text='The lowest first')),
                ('skills', models.JSONField(default=list)),
                ('reason', models.CharField(blank=True, max_length=200)),
                ('agent', models.CharField(blank=True, max_length=200)),
                ('agent_name', models.CharField(blank=True, max_length=200)),
                ('opened_at', models.DateTimeField()),
                ('taken_at', models.DateTimeField(null=True)),
                ('answered_at', models.DateTimeField(help_text='First answer of a person', null=True)),
                ('closed_at', models.DateTimeField(null=True)),
                ('waiting_since', models.DateTimeField(help_text="The user has waited for a person's answer since then", null=True)),
                ('answer_due_at', models.DateTimeField(help_text='When the first answer is late', null=True)),
                ('give_up_at', models.DateTimeField(help_text='Not taken by then: the bot goes on', null=True)),
                ('unread', models.PositiveIntegerField(default=0, help_text='Messages of the user since the agent has looked')),
                ('last_by', models.CharField(blank=True, max_length=10)),
                ('last_text', models.CharField(blank=True, help_text='As readers see it: masked', max_length=200)),
                ('last_at', models.DateTimeField()),
                ('rev', models.PositiveIntegerField(default=1)),
                ('conversation', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='handoffs', to='conversations.conversation')),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenancy.tenant')),
            ],
            options={
                'ordering': ('priority', 'opened_at'),
                'indexes': [models.Index(condition=models.Q(('status', 'closed'), _negated=True), fields=['tenant', 'priority', 'opened_at'], name='handoff_queue'), models.Index(condition=models.Q(('status', 'waiting')), fields=['give_up_at'], name='handoff_give_up'), models.Index(condition=models.Q(('status', 'closed')), fields=['tenant', '-closed_at'], name='handoff_closed')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('status', 'closed'), _negated=True), fields=('conversation',), name='handoff_open_once')],
            },
        ),
        rls.enable(
            "conversations_handoff",
            "conversations_note",
            "conversations_cannedresponse",
            "conversations_agentpresence",
            "conversations_webchannel",
        ),
    ]
