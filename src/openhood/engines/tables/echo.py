"""An operation that says what it was given: how the hub sees that its workers work."""

from __future__ import annotations

import os

from openhood.engines.tables.task import Reply, Task


def echo(task: Task) -> Reply:
    """Return the parameters, the process that does it, and as many bytes of the first file as ``head`` says."""
    head = int(task.params.get("head", 0))
    return Reply({"params": task.params, "pid": os.getpid()}, task.sources[0].read(0, head) if head else b"")
