"""PostgreSQL that tells row-level security the tenant: see base.py."""
