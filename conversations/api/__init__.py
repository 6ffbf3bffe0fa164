"""REST: talk (`hot`), and read what was said and why (`views`)."""
