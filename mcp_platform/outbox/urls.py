"""Mounted at /api/v1/."""

from django.urls import path

from mcp_platform.outbox import api

urlpatterns = [
    path("event-endpoints", api.EndpointsView.as_view(), name="event-endpoints"),
    path("event-endpoints/<uuid:endpoint_id>", api.EndpointView.as_view(), name="event-endpoint"),
    path("event-endpoints/<uuid:endpoint_id>/rotate-secret", api.SecretRotationView.as_view(), name="event-endpoint-rotate-secret"),
    path("event-endpoints/<uuid:endpoint_id>/test", api.TestEventView.as_view(), name="event-endpoint-test"),
    path("event-endpoints/<uuid:endpoint_id>/redeliver", api.EndpointRedeliveryView.as_view(), name="event-endpoint-redeliver"),
    path("event-deliveries", api.DeliveriesView.as_view(), name="event-deliveries"),
    path("event-deliveries/<uuid:delivery_id>", api.DeliveryView.as_view(), name="event-delivery"),
    path("event-deliveries/<uuid:delivery_id>/redeliver", api.RedeliveryView.as_view(), name="event-delivery-redeliver"),
    path("event-types", api.EventTypesView.as_view(), name="event-types"),
]
