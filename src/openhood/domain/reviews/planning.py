"""Which changed files are compared together, and under what the outcome is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from openhood.domain.repos.comparing import ChangedFile
from openhood.domain.reviews.types import FileAt, ReviewKey, Unit
from openhood.engines.diffs.kinds import format_of, set_of

MAX_PARTS = 1024
"""Shards that are compared as one; of more each stands for itself."""
_IN_PARTS = frozenset({"safetensors", "gguf", "csv", "tsv", "jsonl", "parquet"})


def plan(files: Iterable[ChangedFile]) -> list[Unit]:
    """Return what is compared as one, by path."""
    groups: dict[tuple[str | None, str], list[ChangedFile]] = {}
    for each in files:
        name = format_of(each.path)
        groups.setdefault((name, set_of(each.path) if name in _IN_PARTS else each.path), []).append(each)
    units: list[Unit] = []
    for (name, path), members in groups.items():
        if len(members) == 1:
            units.append(_single(name, members[0]))
        elif len(members) > MAX_PARTS:
            units += [_single(name, each) for each in members]
        else:
            units.append(_together(name, path, members))
    return sorted(units, key=lambda each: each.path)


def key_of(unit: Unit) -> ReviewKey:
    """Return what a unit's review is kept under."""
    assert unit.format is not None
    return ReviewKey(unit.format, _name(unit.old), _name(unit.new))


def _single(name: str | None, file: ChangedFile) -> Unit:
    lines = None
    if file.additions is not None and file.deletions is not None:
        lines = (file.additions, file.deletions)
    return Unit(file.path, name, file.status, _old(file), _new(file), file.old_path, lines)


def _together(name: str | None, path: str, members: Sequence[ChangedFile]) -> Unit:
    old = sorted((each for member in members for each in _old(member)), key=lambda each: each.path)
    new = sorted((each for member in members for each in _new(member)), key=lambda each: each.path)
    status = "modified" if old and new else "added" if new else "deleted"
    return Unit(path, name, status, tuple(old), tuple(new))


def _old(file: ChangedFile) -> tuple[FileAt, ...]:
    if file.old_blob is None:
        return ()
    name = file.old_blob if file.old_lfs is None else file.old_lfs.oid
    return (FileAt(file.old_path or file.path, name, file.old_size_bytes or 0),)


def _new(file: ChangedFile) -> tuple[FileAt, ...]:
    if file.new_blob is None:
        return ()
    name = file.new_blob if file.new_lfs is None else file.new_lfs.oid
    return (FileAt(file.path, name, file.new_size_bytes or 0),)


def _name(side: Sequence[FileAt]) -> str:
    if len(side) <= 1:
        return side[0].name if side else ""
    return hashlib.sha256("\n".join(each.name for each in side).encode()).hexdigest()
