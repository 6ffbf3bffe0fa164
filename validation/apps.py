from importlib import import_module

from django.apps import AppConfig


class ValidationConfig(AppConfig):
    name = "validation"
    verbose_name = "Building codes"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        import_module("validation.tasks")  # whoever enqueues a job must know it, not only the workers that run it
        # Experiments on rankings compare what became of findings, and lists follow them; only this app has both.
        experiments = import_module("experiments.services")
        experiments.use_rankings(import_module("validation.triage.outcomes").outcomes)
        experiments.use_follower("risk_model", import_module("validation.services.triage").follow_experiment)
