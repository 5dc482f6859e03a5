"""Running the ``git`` program: a hermetic environment, and bounds on time, output and how many at once.

Only mechanics live here; what is asked of git is in `commands`, the repositories it sees in `snapshot`.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, BinaryIO

from openhood.base.errors import HubError, Unavailable

_READ_BYTES = 1 << 16
_STDERR_KEPT_BYTES = 4096

_CONFIG = (
    "safe.directory=*",
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.quotePath=false",
    "core.bigFileThreshold=10m",
    "gc.auto=0",
    "maintenance.auto=false",
    "pack.threads=1",
    "pack.windowMemory=64m",
    "pack.deltaCacheSize=64m",
    "pack.writeReverseIndex=false",
    "protocol.allow=never",
)


class GitFailed(HubError):
    """The ``git`` program failed; ``stderr`` (cut to its end) is for logs, not for clients."""

    status = 500

    def __init__(self, what: str, *, returncode: int, stderr: str) -> None:
        super().__init__(f"git {what} failed.")
        self.returncode = returncode
        self.stderr = stderr

    def __str__(self) -> str:
        return f"{self.message} (exit status {self.returncode}) {self.stderr}"


class GitTimedOut(GitFailed):
    """The ``git`` program was stopped because it took too long."""


class GitOutputTooLarge(GitFailed):
    """The ``git`` program was stopped because it wrote more than the caller wanted to hold."""


class GitProcess:
    """A running ``git``; made by `popen_git`, which kills it and its children when its context ends."""

    def __init__(self, process: subprocess.Popen[bytes], what: str, stderr: IO[bytes]) -> None:
        self._process = process
        self._what = what
        self._stderr = stderr

    @property
    def stdin(self) -> IO[bytes]:
        """The pipe into git; close it to end the input. Only with ``stdin=None`` at the start."""
        if self._process.stdin is None:
            raise ValueError("git reads its input from elsewhere")
        return self._process.stdin

    @property
    def stdout(self) -> IO[bytes]:
        """The pipe out of git, unbuffered: `read` returns what there is."""
        if self._process.stdout is None:
            raise ValueError("git has no output pipe")
        return self._process.stdout

    @property
    def pid(self) -> int:
        """The process id, also that of its process group."""
        return self._process.pid

    def poll(self) -> int | None:
        """Return the exit status, or None while it runs."""
        return self._process.poll()

    def wait(self, timeout_s: float) -> int:
        """Wait for the end and return the exit status. Raises GitTimedOut."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            self.kill()
            raise GitTimedOut(self._what, returncode=-1, stderr=self.stderr_text()) from error

    def check(self, timeout_s: float) -> None:
        """Wait for the end and raise GitFailed unless it went well."""
        returncode = self.wait(timeout_s)
        if returncode != 0:
            raise GitFailed(self._what, returncode=returncode, stderr=self.stderr_text())

    def stderr_text(self) -> str:
        """Return the end of what git wrote to its standard error so far."""
        size = os.fstat(self._stderr.fileno()).st_size
        raw = os.pread(self._stderr.fileno(), _STDERR_KEPT_BYTES, max(0, size - _STDERR_KEPT_BYTES))
        return raw.decode("utf-8", "replace").strip()

    def kill(self) -> None:
        """Kill git and its children, and reap it. Safe when it ended already."""
        # The group may outlive its leader: `pack-objects` of a fetch whose client went away.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


@contextlib.contextmanager
def popen_git(
    args: Sequence[str],
    *,
    gitdir: Path | None = None,
    cwd: Path | None = None,
    stdin: BinaryIO | IO[bytes] | int | None = None,
    env: Mapping[str, str] | None = None,
    config: Sequence[str] = (),
) -> Iterator[GitProcess]:
    """Start git for streaming; killed with its children when the context ends, however it ends.

    *Args*: ``args`` after ``git``; ``stdin`` an open file git reads itself, from its present offset,
    ``subprocess.DEVNULL``, or None for a pipe; ``env`` is added to a clean environment (``GIT_PROTOCOL``, for example);
    ``config`` holds more ``key=value`` settings.
    """
    command = ["git"]
    for setting in (*_CONFIG, *config):
        command += ["-c", setting]
    if gitdir is not None:
        command.append(f"--git-dir={gitdir}")
    command += args
    what = args[0] if args else "git"
    with tempfile.TemporaryFile(prefix="openhood-git-") as stderr:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE if stdin is None else stdin,
                stdout=subprocess.PIPE,
                stderr=stderr,
                cwd=cwd,
                env=_environment(env),
                bufsize=0,
                process_group=0,
            )
        except FileNotFoundError as error:
            raise Unavailable("The git program is not installed on this server.") from error
        running = GitProcess(process, what, stderr)
        try:
            yield running
        finally:
            running.kill()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(BrokenPipeError):
                        pipe.close()


def run_git(
    args: Sequence[str],
    *,
    gitdir: Path | None = None,
    cwd: Path | None = None,
    stdin: bytes | BinaryIO | IO[bytes] | None = None,
    timeout_s: float,
    env: Mapping[str, str] | None = None,
    limit_bytes: int,
    config: Sequence[str] = (),
    ok_codes: Sequence[int] = (0,),
) -> bytes:
    """Run git to its end and return its output.

    *Args*: ``stdin`` bytes, or a binary stream read from where it stands, or None for no input.
    *Raises* GitFailed; GitTimedOut after ``timeout_s``; GitOutputTooLarge past ``limit_bytes``.
    """
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(_as_file(stdin))
        running = stack.enter_context(
            popen_git(args, gitdir=gitdir, cwd=cwd, stdin=source, env=env, config=config)
        )
        deadline = time.monotonic() + timeout_s
        output = bytearray()
        for chunk in _read_until(running, deadline):
            output += chunk
            if len(output) > limit_bytes:
                running.kill()
                raise GitOutputTooLarge(args[0], returncode=-1, stderr=running.stderr_text())
        returncode = running.wait(max(0.01, deadline - time.monotonic()))
        if returncode not in ok_codes:
            raise GitFailed(args[0], returncode=returncode, stderr=running.stderr_text())
        return bytes(output)


def read_records(
    running: GitProcess, *, separator: bytes = b"\0", timeout_s: float, limit_bytes: int = 1 << 30
) -> Iterator[bytes]:
    """Yield git's output cut at ``separator``, then raise GitFailed unless it ended well.

    Raises GitTimedOut, GitOutputTooLarge (over all records).
    """
    deadline = time.monotonic() + timeout_s
    pending = b""
    total = 0
    for chunk in _read_until(running, deadline):
        total += len(chunk)
        if total > limit_bytes:
            running.kill()
            raise GitOutputTooLarge("output", returncode=-1, stderr=running.stderr_text())
        records = (pending + chunk).split(separator)
        pending = records.pop()
        yield from records
    if pending:
        yield pending
    running.check(max(0.01, deadline - time.monotonic()))


def _read_until(running: GitProcess, deadline: float) -> Iterator[bytes]:
    descriptor = running.stdout.fileno()
    poller = select.poll()
    poller.register(descriptor, select.POLLIN | select.POLLHUP)
    while True:
        remaining_s = deadline - time.monotonic()
        if remaining_s <= 0 or not poller.poll(remaining_s * 1000):
            running.wait(0)
            raise GitTimedOut("run", returncode=-1, stderr=running.stderr_text())
        chunk = os.read(descriptor, _READ_BYTES)
        if not chunk:
            return
        yield chunk


@contextlib.contextmanager
def _as_file(stdin: bytes | BinaryIO | IO[bytes] | None) -> Iterator[IO[bytes]]:
    """Give git an input it reads at its own pace, so that nobody waits for anybody."""
    if stdin is not None and not isinstance(stdin, bytes):
        try:
            # A buffered reader may have read ahead: put the descriptor where the reader stands.
            os.lseek(stdin.fileno(), stdin.tell(), os.SEEK_SET)
        except OSError:
            pass  # Not a file on disk: spooled below.
        else:
            yield stdin
            return
    with tempfile.TemporaryFile(prefix="openhood-git-") as spool:
        if isinstance(stdin, bytes):
            spool.write(stdin)
        elif stdin is not None:
            shutil.copyfileobj(stdin, spool, 1 << 20)
        spool.seek(0)
        yield spool


def _environment(extra: Mapping[str, str] | None) -> dict[str, str]:
    env = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": "/nonexistent",
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_NO_LAZY_FETCH": "1",
    }
    if "TMPDIR" in os.environ:
        env["TMPDIR"] = os.environ["TMPDIR"]
    env.update(extra or {})
    return env


_heavy_turn = threading.Condition()
_heavy_running = 0


@contextlib.contextmanager
def heavy(limit: int, *, timeout_s: float = 600.0) -> Iterator[None]:
    """Wait for a turn at heavy git work: at most ``limit`` at once in this process. Raises Unavailable.

    Do not nest: a caller that holds a turn and waits for another may wait for itself.
    """
    global _heavy_running
    with _heavy_turn:
        if not _heavy_turn.wait_for(lambda: _heavy_running < max(1, limit), timeout_s):
            raise Unavailable("The server is busy with other git work. Try again in a moment.")
        _heavy_running += 1
    try:
        yield
    finally:
        with _heavy_turn:
            _heavy_running -= 1
            _heavy_turn.notify()
