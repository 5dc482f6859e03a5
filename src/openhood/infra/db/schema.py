"""The whole schema in one import, for migrations and whoever compares a database with it."""

from __future__ import annotations

from openhood.infra.db import community_tables, discovery_tables, identity_tables, tables, viewer_tables
from openhood.infra.db.columns import metadata

__all__ = ["community_tables", "discovery_tables", "identity_tables", "metadata", "tables", "viewer_tables"]
