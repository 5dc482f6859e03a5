"""Confining a worker: bounded memory and files, and where the kernel can (Landlock), nothing but what it needs to see.

A worker reads the libraries and the files that its tasks were given, writes to the directory of a task that makes
files, connects to nothing by TCP and sends signals to nobody. Where the kernel is older, the limits on memory, time and
files are what is left.
"""

from __future__ import annotations

import ctypes
import os
import re
import stat
import struct
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

# linux/landlock.h; the numbers are the same on every architecture.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG = 1
_PATH_BENEATH = 1
_REFER, _TRUNCATE = 1 << 13, 1 << 14
_READ = (1 << 0) | (1 << 2) | (1 << 3)  # execute (libraries), read a file, list a directory
_WRITE = (1 << 1) | sum(1 << bit for bit in range(4, 13))
_MADE_BY_WORKERS = (1 << 1) | sum(1 << bit for bit in (4, 5, 7, 8))
"""Write, remove, and make files and directories: no links, by which others who read what was made would be led astray,
and no devices, pipes or sockets.
"""
_TCP = (1 << 0) | (1 << 1)  # bind, connect
_SCOPED = (1 << 0) | (1 << 1)
"""Abstract sockets of others, and signals to others: the hub runs as the same user."""
_PR_SET_NO_NEW_PRIVS = 38
_SYSTEM_PATHS = (
    *("/usr", "/lib", "/lib64", "/bin"),
    *("/etc/ld.so.cache", "/etc/localtime", "/etc/mime.types"),
    *(
        "/proc/self",
        "/proc/meminfo",
        "/proc/cpuinfo",
        "/proc/stat",
        "/sys/devices/system/cpu",
        "/sys/fs/cgroup",
    ),
    *("/dev/null", "/dev/urandom"),
)
"""Not the rest of /etc and /proc: settings of the hub and its environment can be read there."""
_OF_FILES = 0b111 | _TRUNCATE

_PATH = re.compile(r"(?:/[\w.+-]+){2,}")


def confine(
    config: dict[str, Any], *, read: Sequence[str], write: Sequence[str], locks: Sequence[str] = ()
) -> None:
    """Bound this process for good. ``config``: memory_bytes, file_bytes.

    ``read`` are files, and directories with all that is in them; ``write`` are directories; ``locks`` are files that
    are opened for writing by those who only read what lies beside them.
    """
    _limit(int(config["memory_bytes"]), int(config["file_bytes"]))
    with suppress(OSError, AttributeError):
        _landlock(read, write, locks)


def landlock_version() -> int:
    """Return which version of Landlock the kernel has; 0 where it has none (or is not Linux)."""
    try:
        version: int = ctypes.CDLL(None).syscall(_CREATE_RULESET, None, 0, _VERSION_FLAG)
    except (OSError, AttributeError):
        return 0
    return max(0, version)


def hide_paths(text: str) -> str:
    """Return a message without the directories of this machine that libraries put into theirs."""
    return _PATH.sub(lambda found: "…/" + found[0].rsplit("/", 1)[1], text)


def _limit(memory_bytes: int, file_bytes: int) -> None:
    try:
        import resource
    except ImportError:
        return  # not on this system: the clock is left
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
    # What people wait for is the hub itself.
    os.nice(5)


def _landlock(readable: Sequence[str], writable: Sequence[str], locks: Sequence[str]) -> None:
    version = landlock_version()
    if version < 1:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    handled = _READ | _WRITE
    handled |= _REFER if version >= 2 else 0
    handled |= _TRUNCATE if version >= 3 else 0
    # Older kernels know fewer fields.
    fields = [handled, *([_TCP] if version >= 4 else []), *([_SCOPED] if version >= 6 else [])]
    attributes = struct.pack(f"<{len(fields)}Q", *fields)
    ruleset = libc.syscall(_CREATE_RULESET, attributes, len(attributes), 0)
    if ruleset < 0:
        return
    try:
        libraries = {os.path.realpath(path) for path in (sys.prefix, sys.base_prefix, *sys.path) if path}
        for path in {*_SYSTEM_PATHS, *libraries, *readable}:
            _allow(libc, ruleset, path, _READ & handled)
        for path in writable:
            _allow(libc, ruleset, path, handled & ~_WRITE | _MADE_BY_WORKERS)
        for path in locks:
            _allow(libc, ruleset, path, handled & _OF_FILES)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        if libc.syscall(_RESTRICT_SELF, ruleset, 0) != 0:
            raise OSError(ctypes.get_errno(), "landlock")
    finally:
        os.close(ruleset)


def _allow(libc: Any, ruleset: int, path: str, access: int) -> None:  # Any: ctypes has no types of its own
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(handle).st_mode):
            access &= _OF_FILES
        libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("<Qi", access, handle), 0)
    finally:
        os.close(handle)
