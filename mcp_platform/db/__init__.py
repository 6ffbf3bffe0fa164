"""Django's own database engines, each with one decision added: the write lock on SQLite, the tenant setting on PostgreSQL."""
