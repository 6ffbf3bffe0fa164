from django.apps import AppConfig


class AnalyticsConfig(AppConfig):
    name = "conversations.analytics"
    label = "analytics"
    verbose_name = "Analytics"
