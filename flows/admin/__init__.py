"""The flow pages of the admin; importing them registers them."""

from flows.admin import flows, operations, states

__all__ = ["flows", "operations", "states"]
