"""The conversation pages of the admin; importing them registers them."""

from conversations.admin import channels, conversations, dashboard, dead, inbox, integrations, replays, understanding, versions

__all__ = ["channels", "conversations", "dashboard", "dead", "inbox", "integrations", "replays", "understanding", "versions"]
