"""REST: product metadata. Rows are the draft; a publish makes it live."""
