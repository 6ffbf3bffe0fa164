"""Decisions without I/O: who gets which variant, what a variant is, and what the numbers say."""
