"""Mounted at /api/v1/."""

import re

from django.urls import path

from conversations.api import dead, hot, inbox, integrations, replays, understanding, versions, views, web_chats

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
    path("conversations/<uuid:conversation_id>/handoff", inbox.HandOverView.as_view(), name="conversation-handoff"),
    path("dead-turns", dead.DeadTurnsView.as_view(), name="dead-turns"),
    path("dead-turns/<uuid:turn_id>/retry", dead.RetryView.as_view(), name="dead-turn-retry"),
    path("dead-turns/<uuid:turn_id>/bury", dead.BuryView.as_view(), name="dead-turn-bury"),
    path("inbox/handoffs", inbox.HandoffsView.as_view(), name="handoffs"),
    path("inbox/handoffs/<uuid:handoff_id>", inbox.HandoffView.as_view(), name="handoff"),
    path("inbox/handoffs/<uuid:handoff_id>/take", inbox.TakeView.as_view(), name="handoff-take"),
    path("inbox/handoffs/<uuid:handoff_id>/reply", inbox.ReplyView.as_view(), name="handoff-reply"),
    path("inbox/handoffs/<uuid:handoff_id>/transfer", inbox.TransferView.as_view(), name="handoff-transfer"),
    path("inbox/handoffs/<uuid:handoff_id>/resume", inbox.ResumeView.as_view(), name="handoff-resume"),
    path("inbox/handoffs/<uuid:handoff_id>/end", inbox.EndView.as_view(), name="handoff-end"),
    path("inbox/handoffs/<uuid:handoff_id>/read", inbox.ReadView.as_view(), name="handoff-read"),
    path("inbox/handoffs/<uuid:handoff_id>/notes", inbox.NotesView.as_view(), name="handoff-notes"),
    path("inbox/agents", inbox.AgentsView.as_view(), name="inbox-agents"),
    path("inbox/presence", inbox.PresenceView.as_view(), name="inbox-presence"),
    path("inbox/canned-responses", inbox.CannedView.as_view(), name="canned-responses"),
    path("inbox/canned-responses/<int:canned_id>", inbox.OneCannedView.as_view(), name="canned-response"),
    path("web-chats", web_chats.WebChatsView.as_view(), name="web-chats"),
    path("web-chats/<uuid:channel_id>", web_chats.WebChatView.as_view(), name="web-chat"),
    path("conversations/<uuid:conversation_id>/replay", replays.WhatIfView.as_view(), name="conversation-replay"),
    path("conversations/<uuid:conversation_id>/test", replays.RecordTestView.as_view(), name="conversation-test"),
    path("replays", replays.ReplaysView.as_view(), name="replays"),
    path("replays/<uuid:replay_id>", replays.ReplayView.as_view(), name="replay"),
    path("replays/<uuid:replay_id>/results", replays.ResultsView.as_view(), name="replay-results"),
    path("replays/<uuid:replay_id>/results/<uuid:conversation_id>", replays.ResultView.as_view(), name="replay-result"),
    path("flows/<str:flow_id>/intents/train", understanding.TrainView.as_view(), name="intents-train"),
    path("flows/<str:flow_id>/unhandled", understanding.UnhandledView.as_view(), name="unhandled"),
    path("flows/<str:flow_id>/unhandled/learn", understanding.LearnView.as_view(), name="unhandled-learn"),
    path("flows/<str:flow_id>/live", versions.LiveView.as_view(), name="live-versions"),
    path("migration-plans", versions.PlansView.as_view(), name="migration-plans"),
    path("migration-plans/<uuid:plan_id>", versions.PlanView.as_view(), name="migration-plan"),
    path("migration-plans/<uuid:plan_id>/dry-run", versions.DryRunView.as_view(), name="migration-plan-dry-run"),
    path("migration-plans/<uuid:plan_id>/apply", versions.ApplyView.as_view(), name="migration-plan-apply"),
    path("migration-plans/<uuid:plan_id>/stop", versions.StopView.as_view(), name="migration-plan-stop"),
    path("migration-plans/<uuid:plan_id>/revert", versions.RevertView.as_view(), name="migration-plan-revert"),
    path("integrations/<str:integration_id>/try", integrations.TryView.as_view(), name="integration-try"),
    path("integrations/<str:integration_id>/health", integrations.HealthView.as_view(), name="integration-health"),
    path("integrations/<str:integration_id>/breaker/close", integrations.CloseBreakerView.as_view(), name="integration-breaker-close"),
    path("integrations/<str:integration_id>/stubs/record", integrations.RecordView.as_view(), name="integration-stub-record"),
]
