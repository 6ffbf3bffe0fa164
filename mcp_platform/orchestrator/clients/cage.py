"""Runs a program of the operator's allow-list as an MCP server, with limits: `cage.py MEGABYTES PROGRAM ARGUMENT…`. Plain Python, run by path.

It ends with the process that has started it, gains no rights, writes no core dumps, and may not take more memory or files than this.
"""

import ctypes
import os
import resource
import signal
import sys

PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38
MOST_FILES = 1024
LARGEST_FILE = 1024**3


def main(megabytes: str, *command: str) -> None:
    # Not RLIMIT_AS: JavaScript engines reserve far more addresses than they ever use. DATA counts what can be written.
    limits = {
        resource.RLIMIT_DATA: int(megabytes) * 1024**2,
        resource.RLIMIT_NOFILE: MOST_FILES,
        resource.RLIMIT_FSIZE: LARGEST_FILE,
        resource.RLIMIT_CORE: 0,
    }
    for limit, value in limits.items():
        ceiling = resource.getrlimit(limit)[1]
        value = value if ceiling == resource.RLIM_INFINITY else min(value, ceiling)
        resource.setrlimit(limit, (value, value))
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    os.nice(5)
    try:
        os.execvp(command[0], command)  # noqa: S606  the operator's own command, without a shell
    except OSError as fault:
        sys.stderr.write(f"cannot start {command[0]}: {fault.strerror}\n")
        sys.exit(127)


if __name__ == "__main__":
    main(*sys.argv[1:])
