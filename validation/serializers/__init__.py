"""What REST shows, by subject."""
