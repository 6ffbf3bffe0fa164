"""What a process that reads strangers' files may do: little memory, little time, no network, no other program. Linux; elsewhere the limits alone."""

import ctypes
import platform
import resource
import signal
import struct
import sys
from typing import Final

GIGABYTE: Final = 1024**3
_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 22, 38
_FILTER_MODE: Final = 2
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | 1  # SECCOMP_RET_ERRNO with EPERM
# Numbers of socket, connect, sendto, execve, ptrace and, where there is one, of the other way to start a program.
_FORBIDDEN: Final = {
    "x86_64": (0xC000003E, (41, 42, 44, 59, 101, 322)),
    "aarch64": (0xC00000B7, (198, 203, 206, 221, 117, 281)),
}


def confine(*, size: int, cpu_seconds: int, most_output: int) -> bool:
    """For a model of at most `size` bytes. Whether network and other programs could be forbidden too."""
    _limit(resource.RLIMIT_AS, GIGABYTE, hard=_memory(size))
    for limit, value in (
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_FSIZE, most_output),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 256),
    ):
        _limit(limit, value, hard=value)
    return sys.platform == "linux" and _forbid()


def settle(size: int) -> None:
    """The address space for a model whose size is known now."""
    _limit(resource.RLIMIT_AS, _memory(size), hard=_memory(size))


def _memory(size: int) -> int:
    return max(GIGABYTE, 12 * size)


def _limit(limit: int, soft: int, *, hard: int) -> None:
    ceiling = resource.getrlimit(limit)[1]
    hard = hard if ceiling == resource.RLIM_INFINITY else min(hard, ceiling)
    resource.setrlimit(limit, (min(soft, hard), hard))


def _forbid() -> bool:
    """Ends with its parent, gains no rights, and the listed system calls answer "not permitted"."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    known = _FORBIDDEN.get(platform.machine())
    if known is None or libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    program = _program(*known)
    code = ctypes.create_string_buffer(program, len(program))
    described = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    return bool(libc.prctl(_PR_SET_SECCOMP, _FILTER_MODE, ctypes.create_string_buffer(described, len(described)), 0, 0) == 0)


def _program(architecture: int, numbers: tuple[int, ...]) -> bytes:
    """A classic BPF program: another architecture and the listed calls are refused, all else is allowed."""
    load, jump_equal, answer = 0x20, 0x15, 0x06
    count = len(numbers)
    steps = [(load, 0, 0, 4), (jump_equal, 0, count + 2, architecture), (load, 0, 0, 0)]
    steps += [(jump_equal, count - place, 0, number) for place, number in enumerate(numbers)]
    steps += [(answer, 0, 0, _ALLOW), (answer, 0, 0, _REFUSE)]
    return b"".join(struct.pack("HBBI", *step) for step in steps)
