"""Use cases of the building-code part, by subject."""
