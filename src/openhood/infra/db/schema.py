"""The whole schema in one import, for migrations and whoever compares a database with it."""

from __future__ import annotations

from openhood.infra.db import discovery_tables, tables
from openhood.infra.db.columns import metadata

__all__ = ["discovery_tables", "metadata", "tables"]
