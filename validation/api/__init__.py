"""REST: one module for each subject."""
