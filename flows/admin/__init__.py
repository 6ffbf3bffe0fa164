"""The flow pages of the admin; importing them registers them."""

from flows.admin import flows, integrations, operations, states, stubs, tenant_handlers

__all__ = ["flows", "integrations", "operations", "states", "stubs", "tenant_handlers"]
