"""Programs that a test starts and that die with it: by pid, and even after ``kill -9`` of the test.

Each set of programs has one supervisor process, which ends them as soon as its standard input closes, and that
happens however the test process ends. What the programs are is decided in `services`.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_SUPERVISOR = """
import json, select, signal, subprocess, sys, time
jobs = json.loads(sys.stdin.buffer.readline())
children = []
try:
    for job in jobs:
        log = open(job["log"], "ab")
        children.append(subprocess.Popen(
            job["command"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=job["cwd"], env=job["env"],
            user=job["user"], group=job["group"], extra_groups=[] if job["user"] is not None else None,
            start_new_session=True,
        ))
    while all(child.poll() is None for child in children):
        if select.select([sys.stdin.buffer], [], [], 0.2)[0]:
            break
finally:
    for child, job in zip(children, jobs):
        if child.poll() is None:
            child.send_signal(job["stop_signal"])
    deadline = time.monotonic() + 10
    for child in children:
        try:
            child.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
"""


class ServiceFailed(RuntimeError):
    """A program that a test needs is not installed, or did not start; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Program:
    """One program to run: ``stop_signal`` ends it in order, ``user`` is a uid and gid to run it as."""

    command: Sequence[str]
    cwd: Path
    log: Path
    env: Mapping[str, str]
    stop_signal: int
    user: tuple[int, int] | None = None


class Supervised:
    """Running programs, under one supervisor."""

    def __init__(self, programs: Sequence[Program]) -> None:
        self._programs = programs
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-c", _SUPERVISOR],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            # Not reached by the Ctrl-C that ends the tests: it stops when told to.
            start_new_session=True,
        )
        jobs = [
            {
                "command": list(each.command),
                "cwd": str(each.cwd),
                "log": str(each.log),
                "env": dict(each.env),
                "stop_signal": int(each.stop_signal),
                "user": each.user[0] if each.user else None,
                "group": each.user[1] if each.user else None,
            }
            for each in programs
        ]
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(jobs).encode() + b"\n")
        self._process.stdin.flush()

    @property
    def pid(self) -> int:
        """The supervisor's process id."""
        return self._process.pid

    def wait_for_port(self, port: int, *, timeout_s: float) -> None:
        """Return once 127.0.0.1:``port`` accepts. Raises ServiceFailed, with the end of the logs."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        self.stop()
        raise ServiceFailed(f"Nothing listens on port {port}.\n{self.logs()}")

    def logs(self) -> str:
        """Return the last lines that the programs wrote."""
        ends = []
        for each in self._programs:
            text = each.log.read_text(errors="replace") if each.log.exists() else ""
            ends.append(f"--- {each.command[0]}\n" + "\n".join(text.splitlines()[-20:]))
        return "\n".join(ends)

    def stop(self) -> None:
        """End the programs and wait until they are gone. Safe when called twice."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            self._process.stdin.close()
        self._process.wait(30)


def find_free_port() -> int:
    """Return a TCP port of 127.0.0.1 that was free a moment ago.

    Below the range that outgoing connections are given, or one of those would take it before the service does.
    """
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def clean_environment() -> dict[str, str]:
    """Return the few variables that a started program gets: none of the tester's own settings."""
    kept = ("PATH", "LANG", "TMPDIR", "TZ")
    return {name: os.environ[name] for name in kept if name in os.environ}
