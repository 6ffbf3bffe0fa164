"""The platform's settings, with the fixtures of the conformance suite. Nothing but tests starts a server with these."""

from mcp_platform.settings import *  # noqa: F403

MCP_FIXTURES = "tests.mcp.fixtures.install"
