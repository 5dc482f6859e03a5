"""A real ``openhood serve`` in a process of its own, for tests over TCP and tests that kill it.

It ends with the test process however that ends. In-process hubs are in `hub`.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from openhood.testing.processes import ServiceFailed, clean_environment, find_free_port

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 40.0

# Starts the server, tells its pid, and ends it when standard input closes: also when the test is killed.
_KEEPER = """
import json, os, select, signal, subprocess, sys
job = json.loads(sys.stdin.buffer.readline())
log = open(job["log"], "ab")
child = subprocess.Popen(
    job["command"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=job["env"], start_new_session=True
)
sys.stdout.write(f"{child.pid}\\n")
sys.stdout.flush()
try:
    while child.poll() is None and not select.select([sys.stdin.buffer], [], [], 0.1)[0]:
        pass
finally:
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(job["stop_timeout_s"])
        except subprocess.TimeoutExpired:
            pass
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    child.wait()
"""


class Server:
    """A running hub: its address, its process id and its log file."""

    def __init__(self, *, url: str, log: Path, job: Mapping[str, Any]) -> None:
        self.url = url
        self.log = log
        self._keeper = subprocess.Popen(
            [sys.executable, "-I", "-c", _KEEPER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._keeper.stdin is not None
        assert self._keeper.stdout is not None
        self._keeper.stdin.write(json.dumps(job).encode() + b"\n")
        self._keeper.stdin.flush()
        self.pid = int(self._keeper.stdout.readline())

    @property
    def is_running(self) -> bool:
        """Whether the server has not ended."""
        return self._keeper.poll() is None

    def log_text(self) -> str:
        """Return what the server wrote so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def stop(self) -> None:
        """End the server in order and wait for it. Safe when called twice."""
        if self._keeper.stdin is not None and not self._keeper.stdin.closed:
            self._keeper.stdin.close()
        self._keeper.wait(STOP_TIMEOUT_S + 10)

    def kill(self) -> None:
        """End the server with ``kill -9``, and every program it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._keeper.wait(10)

    def wait_until_up(self) -> None:
        """Return once ``/health`` answers 200. Raises ServiceFailed, with the end of the log."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and self.is_running:
            try:
                with urllib.request.urlopen(f"{self.url}/health", timeout=2) as answer:
                    if answer.status == 200:
                        return
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        self.stop()
        tail = "\n".join(self.log_text().splitlines()[-30:])
        raise ServiceFailed(f"The hub did not come up at {self.url}.\n{tail}")

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start_server(data_dir: Path, *, env: Mapping[str, str] | None = None, port: int = 0) -> Server:
    """Start ``openhood serve`` on 127.0.0.1 and wait until it answers.

    Args: ``env`` are ``OPENHOOD_*`` settings; ``port`` 0 takes a free one. The log is ``data_dir/server-PORT.log``.
    Raises: ServiceFailed.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    port = port or find_free_port()
    log = data_dir / f"server-{port}.log"
    arguments = ["serve", "--host", "127.0.0.1", "--port", str(port), "--data", str(data_dir)]
    server = Server(
        url=f"http://127.0.0.1:{port}",
        log=log,
        job={
            "command": [sys.executable, "-m", "openhood", *arguments],
            "env": _environment(env),
            "log": str(log),
            "stop_timeout_s": STOP_TIMEOUT_S,
        },
    )
    server.wait_until_up()
    return server


def run_cli(
    data_dir: Path, *arguments: str, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``openhood ARGUMENTS`` on a data directory and return what it wrote; the caller checks its exit code."""
    return subprocess.run(
        [sys.executable, "-m", "openhood", *arguments],
        env=_environment({"OPENHOOD_DATA": str(data_dir), **(env or {})}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def provision(
    data_dir: Path, declaration: Mapping[str, Any], *, env: Mapping[str, str] | None = None
) -> None:
    """Apply a provision file's content to a data directory, running hub or not. Raises ServiceFailed."""
    data_dir.mkdir(parents=True, exist_ok=True)
    path = data_dir / "provision-for-tests.yaml"
    path.write_text(json.dumps(declaration))  # JSON is YAML
    done = run_cli(data_dir, "provision", str(path), env=env)
    if done.returncode != 0:
        raise ServiceFailed(f"openhood provision failed ({done.returncode}):\n{done.stdout}{done.stderr}")


def _environment(env: Mapping[str, str] | None) -> dict[str, str]:
    return {**clean_environment(), "PYTHONUNBUFFERED": "1", **(env or {})}
