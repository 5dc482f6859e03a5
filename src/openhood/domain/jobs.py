"""Every kind of background job and the action that does it, in one table.

An action takes the services and the job's payload, is idempotent, and lives with its noun.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from openhood.domain.services import Services

JobAction = Callable[[Services, Mapping[str, object]], None]

HANDLERS: Mapping[str, JobAction] = {}
