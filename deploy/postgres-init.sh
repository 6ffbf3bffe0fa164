#!/bin/sh
# The platform's role is no superuser: row-level security binds it.
set -eu
psql -v ON_ERROR_STOP=1 -U postgres <<SQL
CREATE ROLE mcp LOGIN PASSWORD '${MCP_PASSWORD}';
CREATE DATABASE mcp OWNER mcp;
SQL
