from importlib import import_module

from django.apps import AppConfig


class ConversationsConfig(AppConfig):
    name = "conversations"
    verbose_name = "Conversations"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Whoever enqueues a job must know it, not only the workers that run it.
        import_module("conversations.tasks")
        # Flows ask their tests before a publish; this app has the engine that plays them.
        import_module("flows.services.testing").use_runner(import_module("conversations.rehearsals").play)
        # Experiments compare how conversations went; only this app can read that.
        outcomes = import_module("conversations.analytics.outcomes")
        experiments = import_module("experiments.services")
        experiments.use_source(outcomes.outcomes, outcomes.history)
        experiments.use_recent(outcomes.recent)
        evaluations = import_module("conversations.analytics.evaluations")
        experiments.use_engine(evaluations.replay, evaluations.simulate_arms)
