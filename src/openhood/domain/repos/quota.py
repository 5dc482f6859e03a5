"""Whether a namespace may use more storage. What repositories use is measured by `storage.gc`."""

from __future__ import annotations

from openhood.base.errors import QuotaExceeded
from openhood.domain.services import Services
from openhood.domain.storage import rows as storage_rows
from openhood.infra.db.engine import Tx


def check(tx: Tx, sv: Services, *, owner_id: int, namespace: str, added_bytes: int) -> None:
    """Raise QuotaExceeded if a namespace may not use ``added_bytes`` more. In the caller's unit.

    Repositories are measured by a job after each change, so the sum may lag by seconds.
    """
    limit = sv.settings.limits.namespace_storage_bytes
    if not limit:
        return
    used = storage_rows.namespace_bytes(tx, owner_id)
    if used + added_bytes > limit:
        raise QuotaExceeded(
            f"Storage limit reached: {namespace} uses {used} of {limit} bytes, and this needs {added_bytes} more. "
            "Delete files or repositories, or ask the administrator of this hub for more."
        )
