"""Connections to MCP servers of others: the only room that knows the protocol's SDK, sockets and child processes."""
