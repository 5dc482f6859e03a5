"""What a check says: findings, and a word on what it looks at next.

The checks themselves are in the other files of this package.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be. ``level`` ``note`` is harmless, ``error`` is damage.

    ``is_leftover``: a stored object that `sweep` would remove.
    """

    level: Literal["error", "note"]
    subject: str
    problem: str
    remedy: str
    is_leftover: bool = False


Step = Callable[[str], None]
"""Told what is looked at next, for whoever watches."""

RESTORE = (
    "Restore the object store from a backup taken at or after the database's, or push the repository again."
)
"""What to do about git data that is gone."""

UPLOAD = "Upload the file again: the client will send its bytes."
"""What to do about a large file that is gone."""
