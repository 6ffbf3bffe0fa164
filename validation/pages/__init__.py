"""What the pages of buildings and findings show, by page; the admin's doors render it."""
