"""Databases of a hub that are migrated already: made once per test process, copied for every test.

To run all migrations takes longer than most tests; that they lead here is shown by the tests of migrations themselves.
"""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from openhood.infra.db.engine import Database
from openhood.infra.db.migrate import upgrade


def migrate(url: str) -> None:
    """Bring the database behind an SQLAlchemy URL to the newest schema, and let go of it."""
    db = Database(url, pool_size=1)
    try:
        upgrade(db)
    finally:
        db.close()


@cache
def migrated_sqlite() -> bytes:
    """Return the content of an SQLite file of the newest schema, without a row in it."""
    with tempfile.TemporaryDirectory(prefix="openhood-template-") as directory:
        path = Path(directory) / "openhood.db"
        migrate(f"sqlite:///{path}")
        return path.read_bytes()
