"""Counting what conversations did, from their logs. Pure."""
