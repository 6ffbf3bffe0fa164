"""Reads that more than one door or service uses, by subject."""
