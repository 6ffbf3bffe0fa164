"""Mounted at /api/v1/."""

import re

from django.urls import path

from conversations.api import hot, views

start = hot.route(hot.post_start, views.ConversationsView, created=True)
message = hot.route(hot.post_message, views.MessagesView)

# The short way of `mcp_platform.handlers`; the same views are mounted below for everything that does not take it.
HOT_ROUTES = (
    (re.compile(r"/api/v1/conversations"), start),
    (re.compile(r"/api/v1/conversations/(?P<conversation_id>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/messages"), message),
)
urlpatterns = [
    path("conversations", start, name="conversations"),
    path("conversations/<uuid:conversation_id>", views.ConversationView.as_view(), name="conversation"),
    path("conversations/<uuid:conversation_id>/messages", message, name="conversation-messages"),
    path("conversations/<uuid:conversation_id>/events", views.EventsView.as_view(), name="conversation-events"),
    path("conversations/<uuid:conversation_id>/turns/<int:number>", views.TurnView.as_view(), name="conversation-turn"),
    path("conversations/<uuid:conversation_id>/reset", views.ResetView.as_view(), name="conversation-reset"),
]
