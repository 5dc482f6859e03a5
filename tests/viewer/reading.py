"""Letting readers and operations work on files of this machine, as a worker would, without one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from openhood.engines.tables import convert, heads
from openhood.engines.tables.task import Source, Task


class Files:
    """Files below a directory, by their paths in a repository."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.asked: list[tuple[int, int]] = []

    def add(self, name: str, data: bytes | str) -> str:
        """Write a file and return its path in the repository."""
        path = self.root / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return name

    def source(self, name: str, *, is_whole: bool = True) -> Source:
        """Return a file as an operation sees it; what it needs of one that is not whole is noted in ``asked``."""
        path = self.root / "files" / name
        return Source(name, name, path.stat().st_size, str(path), is_whole, self.asked.extend)

    def convert(
        self,
        fmt: str,
        names: Sequence[str],
        *,
        options: Mapping[str, Any] | None = None,
        features: Mapping[str, Any] | None = None,
        seconds: float = 60,
        **params: Any,
    ) -> tuple[pa.Table, dict[str, Any]]:
        """Convert files; returns all rows, and what is said of them."""
        out = self.root / f"out-{len(list(self.root.glob('out-*')))}"
        out.mkdir(parents=True)
        table = {"format": fmt, "options": dict(options or {}), "features": features}
        task = Task(
            "convert", {"table": table, **params}, [self.source(name) for name in names], out, seconds
        )
        facts = convert.convert(task).facts
        parts = [pq.read_table(out / file["name"]) for file in facts["files"]]
        assert [len(part) for part in parts] == [file["rows"] for file in facts["files"]]
        return pa.concat_tables(parts), facts

    def rows(self, fmt: str, names: Sequence[str], **more: Any) -> list[dict[str, Any]]:
        """Return all rows that files have."""
        rows: list[dict[str, Any]] = self.convert(fmt, names, **more)[0].to_pylist()
        return rows

    def head(
        self,
        fmt: str,
        names: Sequence[str],
        *,
        rows: int = 100,
        options: Mapping[str, Any] | None = None,
        features: Mapping[str, Any] | None = None,
        is_whole: bool = True,
    ) -> heads.Head:
        """Return the first rows of files."""
        sources = [self.source(name, is_whole=is_whole) for name in names]
        return heads.read_head(fmt, options or {}, features, sources, rows)


def value(dtype: str) -> dict[str, Any]:
    """Return the feature of a plain value."""
    return {"dtype": dtype, "_type": "Value"}


def listed(feature: Any) -> dict[str, Any]:
    """Return the feature of a list."""
    return {"feature": feature, "_type": "List"}
