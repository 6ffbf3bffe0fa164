"""Servers that are programs on this machine: started in a cage, spoken to over stdin and stdout, what they write to stderr kept for error texts."""

import asyncio
import os
import sys
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from django.conf import settings

from mcp_platform.orchestrator.clients.plan import Plan
from mcp_platform.orchestrator.errors import ProgramNotAllowed

CAGE: Final = Path(__file__).with_name("cage.py")
KEPT_LINES: Final = 20


class Complaints(asyncio.Protocol):
    """The last lines that a program has written to stderr."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self.patience = 0.0  # seconds; what a program writes when it ends comes a moment after its end

    def data_received(self, data: bytes) -> None:
        self._lines.extend(line[:300] for line in data.decode("utf-8", "replace").splitlines() if line.strip())

    def last(self) -> str:
        return self._lines[-1] if self._lines else ""


@asynccontextmanager
async def running(plan: Plan, complaints: Complaints) -> AsyncIterator[Any]:
    """The two streams of a started program; it is ended, with all that it has started, when the block is left."""
    from mcp.client.stdio import StdioServerParameters, stdio_client

    program = plan.program
    if program is None:
        raise ProgramNotAllowed(program=plan.upstream.program[:63])
    home = Path(program.directory or settings.STATE_DIR / "programs" / str(plan.upstream.tenant_id) / plan.upstream.slug)
    home.mkdir(parents=True, exist_ok=True)
    environment = {"HOME": str(home), **program.environment}
    if program.secret_variable and plan.secrets:
        environment[program.secret_variable] = plan.secrets[0]
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-I", "-S", str(CAGE), str(settings.MCP_STDIO_MEMORY_MB), *program.command],
        env=environment,
        cwd=str(home),
        encoding_error_handler="replace",
    )
    reading, writing = os.pipe()
    complaints.patience = 0.1
    listening, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: complaints, os.fdopen(reading, "rb", 0))
    try:
        with os.fdopen(writing, "w") as errlog:
            async with stdio_client(parameters, errlog=errlog) as streams:
                yield streams
    finally:
        listening.close()
