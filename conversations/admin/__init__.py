"""The conversation pages of the admin; importing them registers them."""

from conversations.admin import conversations, dashboard

__all__ = ["conversations", "dashboard"]
