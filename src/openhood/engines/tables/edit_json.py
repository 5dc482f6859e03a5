"""Changing cells and rows of JSON files: of lines, of which others keep their bytes, or of one array of objects."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import orjson

from openhood.base.errors import InvalidParameter, TableTooLarge, TableUnreadable
from openhood.engines.tables.edits import FileEdits

_MAX_DOCUMENT_BYTES = 100 * 1024 * 1024
OPTIONS = frozenset(("field",))


class JsonFile:
    """A JSON file. ``field`` names the list in an object that holds the rows."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._field = options.get("field")

    def count(self, file: BinaryIO) -> int:
        """Return the number of rows."""
        if self._is_document(file):
            return len(self._rows_of(self._document(file)))
        return sum(1 for line in file if line.strip())

    def rewrite(self, file: BinaryIO, target: BinaryIO, edits: FileEdits) -> None:
        """Copy a file with the changes. Raises InvalidParameter, TableTooLarge."""
        if self._is_document(file):
            self._rewrite_document(file, target, edits)
        else:
            for line in _changed_lines(file, edits):
                target.write(line)

    def _is_document(self, file: BinaryIO) -> bool:
        """Tell whether the file is one value, not one a line."""
        if self._field is not None:
            return True
        start = file.read(4096).lstrip()
        file.seek(0)
        return start[:1] == b"["

    def _document(self, file: BinaryIO) -> Any:
        data = file.read(_MAX_DOCUMENT_BYTES + 1)
        if len(data) > _MAX_DOCUMENT_BYTES:
            raise TableTooLarge(
                "This file is one JSON document of more than 100 MiB, too large to be edited here. Keep one object a "
                "line (JSON Lines), and it can be edited at any size."
            )
        return orjson.loads(data)

    def _rows_of(self, document: Any) -> list[Any]:
        rows = document.get(self._field) if isinstance(document, dict) and self._field else document
        if not isinstance(rows, list):
            raise TableUnreadable(
                "The rows of this file are not a list of objects, so they cannot be edited here."
            )
        return rows

    def _rewrite_document(self, file: BinaryIO, target: BinaryIO, edits: FileEdits) -> None:
        document = self._document(file)
        rows = self._rows_of(document)
        for number, values in edits.cells.items():
            rows[number] = _with(rows[number], values)
        rows[:] = [row for number, row in enumerate(rows) if number not in edits.deleted]
        rows.extend(dict(row) for row in edits.added)
        target.write(json.dumps(document, ensure_ascii=False, indent=2).encode())
        target.write(b"\n")


def _changed_lines(file: BinaryIO, edits: FileEdits) -> Iterator[bytes]:
    number, last = 0, b"\n"
    for line in file:
        if not line.strip():
            yield line
            continue
        if number not in edits.deleted:
            if number in edits.cells:
                ending = line[len(line.rstrip(b"\r\n")) :]
                line = _line(_with(orjson.loads(line), edits.cells[number])) + ending
            yield line
            last = line
        number += 1
    if edits.added and not last.endswith(b"\n"):
        yield b"\n"
    for row in edits.added:
        yield _line(dict(row)) + b"\n"


def _with(row: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise InvalidParameter("A row that is no object has no columns to be changed.")
    return {**row, **values}


def _line(row: Mapping[str, Any]) -> bytes:
    return json.dumps(row, ensure_ascii=False).encode()
