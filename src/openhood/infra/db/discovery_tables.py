"""The tables by which repositories are found and counted: tags, texts, results, likes and downloads.

What each database adds of its own to search them (an inverted table, full-text indexes) is in `finding`.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from openhood.infra.db.columns import Document, Moment, metadata, refer

tags = Table(
    "tags",  # every name that repositories of a type are filtered by; those that begin with ~ are not shown
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("type", String(12), nullable=False),
    Column("name", String(200), nullable=False),
    Column("key", String(200), nullable=False),  # lower case
    Column("category", String(32), nullable=False),
    Column("n_public", Integer, nullable=False, server_default="0"),
    Column("n_all", Integer, nullable=False, server_default="0"),
    UniqueConstraint("type", "name"),
    Index("ix_tags_type_key", "type", "key"),
    Index("ix_tags_type_category_n_public", "type", "category", "n_public", "id"),
)

repo_texts = Table(
    "repo_texts",
    metadata,
    refer("repo_id", "repos.id", primary_key=True),
    # Smaller is found first: see `catalog.texts`.
    Column("place", BigInteger, nullable=False, unique=True),
    Column("name", String(200), nullable=False),  # as repos.search_text
    Column("words", Text, nullable=False, server_default=""),  # the card as plain text
    Column("owner", String(24), nullable=False),  # a word of its own, so that search can ask for an owner
)

repo_files = Table(
    "repo_files",  # the files of a tip that has few enough to be kept with its row
    metadata,
    refer("repo_id", "repos.id", primary_key=True),
    Column("head_oid", String(40), nullable=False),
    Column("names", LargeBinary, nullable=False),  # zlib over the paths, one a line
)

evaluations = Table(
    "evaluations",
    metadata,
    refer("repo_id", "repos.id", primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("dataset_key", String(200), nullable=False),
    Column("task_id", String(200), nullable=False),
    Column("value", Float),  # NULL where it is not a number
    Column("filename", String(1000), nullable=False),
    Column("entry", Document, nullable=False),
    Index("ix_evaluations_dataset_key", "dataset_key"),
)

weight_headers = Table(
    "weight_headers",  # what the header of a file of weights says, by content: it never changes
    metadata,
    Column("sha256", String(64), ForeignKey("lfs_objects.sha256", ondelete="CASCADE"), primary_key=True),
    Column("kind", String(16), nullable=False),  # safetensors | gguf
    Column("facts", Document),
    Column("error", String(500)),  # why it cannot be read
)

likes = Table(
    "likes",
    metadata,
    refer("repo_id", "repos.id", primary_key=True),
    refer("user_id", "accounts.id", primary_key=True),
    Column("created_at", Moment, nullable=False),
    Index("ix_likes_user_id_created_at", "user_id", "created_at"),
    Index("ix_likes_created_at", "created_at"),
)

download_days = Table(
    "download_days",
    metadata,
    refer("repo_id", "repos.id", primary_key=True),
    Column("day", Integer, primary_key=True, autoincrement=False),  # days since the epoch, UTC
    Column("count", Integer, nullable=False),
    Index("ix_download_days_day", "day"),
)

download_visits = Table(
    "download_visits",  # who was counted in which window, so that replicas do not count one client twice
    metadata,
    Column("window", Integer, primary_key=True, autoincrement=False),
    Column("repo_id", BigInteger, primary_key=True, autoincrement=False),  # it may be gone by now
    Column("visitor", BigInteger, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)
