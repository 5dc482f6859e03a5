"""What a reader is handed, and what it gives back: the one interface of all formats.

A reader is a function from `Given` to `Stream`. It reads no more than what is taken from the stream, so the same
function serves the first rows of a split and its conversion.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from openhood.engines.tables.task import Source

Features = Mapping[str, Any]
"""Columns and their features, as ``datasets.Features.to_dict`` writes them."""


@dataclass(slots=True)
class Progress:
    """How far a reader has come, in bytes of the files as they are stored."""

    read_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Given:
    """Files to be read, in the order of their rows, and how.

    ``options`` are the builder's parameters from the card; ``features`` what the card declares, or what another
    split of the same config says. ``chunk_bytes`` and ``chunk_rows`` are how much text goes into one table: fewer than
    what ``datasets`` takes are for first rows only, since types are guessed from the first chunk. ``check`` raises
    TableTimeout when the time is over. ``prefix`` comes before the paths of files of the repository that rows name.
    """

    sources: Sequence[Source]
    options: Mapping[str, Any]
    features: Features | None
    check: Callable[[], None]
    chunk_bytes: int = 10 << 20
    chunk_rows: int = 10_000
    prefix: str = ""
    progress: Progress = field(default_factory=Progress)

    def option(self, name: str, default: Any) -> Any:  # Any: whatever a card's YAML holds
        """Return a parameter of the builder, its default where the card does not name it."""
        value = self.options.get(name)
        return default if value is None else value


@dataclass(frozen=True, slots=True)
class Stream:
    """Tables with the rows of a split, in order. ``features`` where they are known before the first table."""

    tables: Iterator[pa.Table]
    features: Features | None = None
