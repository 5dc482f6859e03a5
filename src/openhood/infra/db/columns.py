"""The hub's one `MetaData` and the column types its tables share.

Moments are stored as milliseconds since the epoch, documents as JSON text, lists of numbers in the form
in which each database can search them.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, MetaData, Text, TypeDecorator
from sqlalchemy.dialects import postgresql

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


class Moment(TypeDecorator[datetime]):
    """An aware UTC datetime, kept as integer milliseconds since the epoch."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> int | None:
        """Turn an aware datetime into milliseconds."""
        return None if value is None else (value - _EPOCH) // _MS

    def process_result_value(self, value: int | None, dialect: Any) -> datetime | None:
        """Turn milliseconds into an aware datetime."""
        return None if value is None else _EPOCH + value * _MS


class Document(TypeDecorator[Any]):
    """A JSON document, kept as text so that both databases give it back byte for byte."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> str | None:
        """Serialise; None stays NULL."""
        return None if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    def process_result_value(self, value: str | None, dialect: Any) -> Any:
        """Parse; NULL stays None."""
        return None if value is None else json.loads(value)


class Numbers(TypeDecorator[Any]):
    """A list of 32-bit numbers: an array on PostgreSQL, where an index finds what is in it, else JSON text."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Any) -> Any:
        """Choose the database's own form."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(postgresql.ARRAY(Integer))
        return dialect.type_descriptor(Text())

    def process_bind_param(self, value: list[int] | None, dialect: Any) -> Any:
        """Serialise where there are no arrays."""
        if value is None or dialect.name == "postgresql":
            return value
        return json.dumps(value, separators=(",", ":"))

    def process_result_value(self, value: Any, dialect: Any) -> list[int] | None:
        """Parse where there are no arrays."""
        numbers: list[int] | None = json.loads(value) if isinstance(value, str) else value
        return numbers


# SQLite numbers rows by itself only where the key is exactly INTEGER.
Id = BigInteger().with_variant(Integer(), "sqlite")


def make_id() -> Column[int]:
    """Return a column ``id`` that numbers rows by itself."""
    return Column("id", Id, primary_key=True, autoincrement=True)


def refer(name: str, target: str, *, primary_key: bool = False, nullable: bool = False) -> Column[int]:
    """Return a column that names a row of another table and goes with it."""
    return Column(
        name, Id, ForeignKey(target, ondelete="CASCADE"), primary_key=primary_key, nullable=nullable
    )
