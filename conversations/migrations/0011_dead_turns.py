import django.db.models.deletion
from django.db import migrations, models

from mcp_platform.tenancy import rls


class Migration(migrations.Migration):

    dependencies = [
        ('conversations', '0010_understoodflow'),
        ('tenancy', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='DeadTurn',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('action', models.CharField(choices=[('retried', 'Retried'), ('buried', 'Buried')], max_length=10)),
                ('by', models.CharField(max_length=200)),
                ('note', models.CharField(blank=True, max_length=500)),
                ('retried_as', models.PositiveIntegerField(help_text='Number of the turn that says it again', null=True)),
                ('at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'ordering': ('-at',),
            },
        ),
        migrations.AddIndex(
            model_name='timer',
            index=models.Index(condition=models.Q(('claimed_at__isnull', False), ('status', 'dead')), fields=['claimed_at'], name='timer_unburied'),
        ),
        migrations.AddIndex(
            model_name='turn',
            index=models.Index(condition=models.Q(('status', 'dead')), fields=['tenant', '-finished_at'], name='turn_dead'),
        ),
        migrations.AddField(
            model_name='deadturn',
            name='tenant',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenancy.tenant'),
        ),
        migrations.AddField(
            model_name='deadturn',
            name='turn',
            field=models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='dead_turn', to='conversations.turn'),
        ),
        rls.enable("conversations_deadturn"),
    ]
