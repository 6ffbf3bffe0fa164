"""What a process that reads strangers' files may do: little memory, little time, no network, no other program. Linux; elsewhere the limits alone."""

import ctypes
import os
import platform
import resource
import signal
import struct
import sys
from typing import Final

from validation.ingest.refusal import Refused

GIGABYTE: Final = 1024**3
SPARE_SECONDS: Final = 2
_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 22, 38
_FILTER_MODE: Final = 2
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | 1  # SECCOMP_RET_ERRNO with EPERM
# The same numbers everywhere: pidfd_send_signal, io_uring_setup, _enter, _register (which reads, writes and connects unseen), clone3, pidfd_getfd.
_NEW: Final = (424, 425, 426, 427, 435, 438)
# socket, connect, sendto, execve, execveat, ptrace, process_vm_readv and _writev; clone (and fork, vfork): a reader needs no second thread;
# tkill, rt_sigqueueinfo, rt_tgsigqueueinfo.
_FORBIDDEN: Final = {
    "x86_64": (0xC000003E, (41, 42, 44, 59, 322, 101, 310, 311, 56, 57, 58, 200, 129, 297, *_NEW)),
    "aarch64": (0xC00000B7, (198, 203, 206, 221, 281, 117, 270, 271, 220, 130, 138, 240, *_NEW)),
}
_TO_ITSELF: Final = {"x86_64": (62, 234), "aarch64": (129, 131)}  # kill and tgkill: abort() needs them
_X32: Final = 0x40000000  # the same calls once more, under numbers that begin here; no call of aarch64 has one so high
MISSING: Final = "Models are not read: this system does not let their reader be kept from the network and from other programs."


def confine(*, size: int, cpu_seconds: int, most_output: int) -> bool:
    """For a model of at most `size` bytes. Whether network and other programs could be forbidden too."""
    _limit(resource.RLIMIT_AS, GIGABYTE, hard=_memory(size))
    # The soft limit ends it with SIGXCPU: then SIGKILL, which the hard one would send, is always somebody else's.
    _limit(resource.RLIMIT_CPU, cpu_seconds, hard=cpu_seconds + SPARE_SECONDS)
    for limit, value in (
        (resource.RLIMIT_FSIZE, most_output),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 256),
        (resource.RLIMIT_NPROC, 1),
    ):
        _limit(limit, value, hard=value)
    return sys.platform == "linux" and _forbid()


def require(confined: bool) -> None:
    """Raises Refused."""
    if not confined:
        raise Refused("NOT_CONFINED", MISSING)


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
    machine = platform.machine()
    known = _FORBIDDEN.get(machine)
    if known is None or libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    program = _program(*known, _TO_ITSELF[machine])
    code = ctypes.create_string_buffer(program, len(program))
    described = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    return bool(libc.prctl(_PR_SET_SECCOMP, _FILTER_MODE, ctypes.create_string_buffer(described, len(described)), 0, 0) == 0)


def _program(architecture: int, numbers: tuple[int, ...], to_itself: tuple[int, ...]) -> bytes:
    """A classic BPF program: another architecture and the listed calls are refused, signals go to this process alone, all else is allowed."""
    load, jump_equal, jump_from, answer = 0x20, 0x15, 0x35, 0x06
    allow = 4 + len(numbers) + len(to_itself)
    whom, refuse = allow + 1, allow + 4  # places of steps; a jump counts from the step after its own
    steps = [(load, 0, 0, 4), (jump_equal, 0, refuse - 2, architecture), (load, 0, 0, 0), (jump_from, refuse - 4, 0, _X32)]
    steps += [(jump_equal, refuse - place - 1, 0, number) for place, number in enumerate(numbers, 4)]
    steps += [(jump_equal, whom - place - 1, 0, number) for place, number in enumerate(to_itself, 4 + len(numbers))]
    steps += [(answer, 0, 0, _ALLOW), (load, 0, 0, 16), (jump_equal, 0, 1, os.getpid()), (answer, 0, 0, _ALLOW), (answer, 0, 0, _REFUSE)]
    return b"".join(struct.pack("HBBI", *step) for step in steps)
