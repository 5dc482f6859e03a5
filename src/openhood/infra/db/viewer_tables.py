"""The tables of the dataset viewer: what was worked out of a dataset's files, all of which can be worked out again."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, LargeBinary, String, Table

from openhood.infra.db.columns import Document, Moment, metadata, refer

viewer_plans = Table(
    "viewer_plans",  # configs, splits and their files at a commit
    metadata,
    refer("repo_id", "repos.id", primary_key=True),
    Column("commit_oid", String(40), primary_key=True),
    Column("version", Integer, nullable=False),  # of the rules that made it
    Column("document", LargeBinary, nullable=False),  # JSON, zlib
    Column("made_at", Moment, nullable=False),
)

viewer_footers = Table(
    "viewer_footers",  # what the end of a file says: rows, columns, groups
    metadata,
    refer("repo_id", "repos.id", primary_key=True),
    Column("content", String(64), primary_key=True),  # sha256, or the oid of a small file
    Column("version", Integer, nullable=False),
    Column("document", LargeBinary, nullable=False),  # JSON, zlib
)

viewer_answers = Table(
    "viewer_answers",  # statistics and the like, which take long
    metadata,
    refer("repo_id", "repos.id", primary_key=True),
    Column("name", String(64), primary_key=True),  # sha256 of what was asked, contents included
    Column("kind", String(30), nullable=False),
    Column("document", LargeBinary, nullable=False),  # JSON, zlib
    Column("made_at", Moment, nullable=False),
    Index("ix_viewer_answers_made_at", "made_at"),
)

viewer_conversions = Table(
    "viewer_conversions",  # a split that is, or is being, kept as Parquet under refs/convert/parquet
    metadata,
    refer("repo_id", "repos.id", primary_key=True),
    Column("config", String(200), primary_key=True),
    Column("split", String(200), primary_key=True),
    Column("made_from", String(64), nullable=False),  # sha256 of the contents and options of the split
    Column("state", String(10), nullable=False),  # pending | done | failed
    Column("facts", Document, nullable=False, server_default="{}"),
    Column("updated_at", Moment, nullable=False),
)
