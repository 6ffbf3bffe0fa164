"""Runs a program of the operator's allow-list as an MCP server, with limits: `cage.py MEGABYTES PROGRAM ARGUMENT…`. Plain Python, run by path.

The program gains no rights, writes no core dumps, and may not take more memory, files, processes or computing time than this. The cage stays as
its parent: it hands on what the program says, a line at a time no longer than LONGEST_LINE, and ends it with all that it has started when the
program ends or the process that has started the cage does.
"""

import contextlib
import ctypes
import os
import resource
import signal
import sys
import threading

PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38
MOST_FILES = 1024
MOST_PROCESSES = 4096  # the system counts all of this user, threads among them: enough for everybody, and an end to what multiplies
MOST_SECONDS = 3600  # of computing in one life; the next use starts the program anew
LARGEST_FILE = 1024**3
LONGEST_LINE = 16 * 1024**2  # bytes
PART = 65_536
LAST_WORDS = 1.0  # seconds to hand on what a program said before it ended


def main(megabytes: str, *command: str) -> int:
    _limit(int(megabytes))
    reading, writing = os.pipe()
    orphaned = signal.SIGUSR1
    signal.signal(orphaned, lambda _signal, _frame: _end_all())
    parent = os.getppid()
    _die_with_parent(orphaned)
    if os.getppid() != parent:  # it has ended before we asked to be told
        return 1
    child = os.fork()
    if child == 0:
        _become(command, reading, writing)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the program gets it as well; with its end ours comes
    os.close(writing)
    os.close(0)
    speaking = threading.Thread(target=_hand_on, args=(reading,), daemon=True)
    speaking.start()
    _, status = os.waitpid(child, 0)
    speaking.join(LAST_WORDS)
    _end_all()
    return os.waitstatus_to_exitcode(status)


def _limit(megabytes: int) -> None:
    # Not RLIMIT_AS: JavaScript engines reserve far more addresses than they ever use. DATA counts what can be written.
    limits = {
        resource.RLIMIT_DATA: megabytes * 1024**2,
        resource.RLIMIT_NOFILE: MOST_FILES,
        resource.RLIMIT_NPROC: MOST_PROCESSES,
        resource.RLIMIT_CPU: MOST_SECONDS,
        resource.RLIMIT_FSIZE: LARGEST_FILE,
        resource.RLIMIT_CORE: 0,
    }
    for limit, value in limits.items():
        ceiling = resource.getrlimit(limit)[1]
        value = value if ceiling == resource.RLIM_INFINITY else min(value, ceiling)
        resource.setrlimit(limit, (value, value))
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def _die_with_parent(how: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, how, 0, 0, 0)


def _become(command: tuple[str, ...], reading: int, writing: int) -> None:
    signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    _die_with_parent(signal.SIGKILL)
    os.close(reading)
    os.dup2(writing, 1)
    os.close(writing)
    try:
        os.nice(5)
        os.execvp(command[0], command)  # noqa: S606  the operator's own command, without a shell
    except OSError as fault:
        sys.stderr.write(f"cannot start {command[0]}: {fault.strerror}\n")
        sys.stderr.flush()
        os._exit(127)


def _hand_on(reading: int) -> None:
    """From the program to our stdout. A program that writes without ever ending its line would fill the memory of who reads it."""
    length = 0
    with contextlib.suppress(OSError):  # nobody listens any more: the program is about to be ended
        while part := os.read(reading, PART):
            _, end, after = part.rpartition(b"\n")
            if length + (part.find(b"\n") if end else len(part)) > LONGEST_LINE:
                os.write(2, f"a line is longer than {LONGEST_LINE} bytes\n".encode())
                _end_all()
            length = len(after) if end else length + len(part)
            while part:
                part = part[os.write(1, part) :]


def _end_all() -> None:
    """The whole process group, this process in it: whoever starts the cage makes it the leader of one."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
