"""Changing cells and rows of a CSV file; every line that nobody touched keeps its bytes."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TextIO

import orjson

from openhood.base.errors import InvalidParameter
from openhood.engines.tables.edits import FileEdits, unknown_column

_FIELD_LIMIT = 64 * 1024 * 1024
OPTIONS = frozenset(("sep", "delimiter", "quotechar", "names", "column_names", "header"))
"""Builder parameters that are understood here; with others a file is not edited."""


class _Lines:
    """Lines of a file, those of the record that is being read remembered as they are."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.taken: list[str] = []

    def __iter__(self) -> Iterator[str]:
        for line in self._file:
            self.taken.append(line)
            yield line


class CsvFile:
    """A CSV file as ``datasets`` reads it with these builder parameters: which rows there are, and their text."""

    def __init__(self, options: Mapping[str, Any], *, sep: str = ",") -> None:
        csv.field_size_limit(_FIELD_LIMIT)
        self._form: dict[str, Any] = {
            "delimiter": str(options.get("sep") or options.get("delimiter") or sep),
            "quotechar": str(options.get("quotechar") or '"'),
        }
        names = options.get("names") or options.get("column_names")
        self._names = [str(name) for name in names] if isinstance(names, list) else None
        self._has_header = self._names is None or options.get("header") == 0

    def count(self, file: TextIO) -> int:
        """Return the number of rows."""
        return sum(1 for _text, fields in self._records(file)[1] if fields)

    def rewrite(self, file: TextIO, target: TextIO, edits: FileEdits) -> None:
        """Copy a file with the changes. Raises InvalidParameter for columns that it does not have."""
        header, records = self._records(file)
        columns = self._names or header[1]
        target.write(header[0])
        ending = "\r\n" if header[0].endswith("\r\n") else "\n"
        last = header[0]
        number = -1
        for text, fields in records:
            number += bool(fields)
            if fields and number in edits.deleted:
                continue
            if fields and number in edits.cells:
                text = self._changed(
                    fields, edits.cells[number], columns, ending if text.endswith("\n") else ""
                )
            target.write(text)
            last = text
        if edits.added and last and not last.endswith("\n"):
            target.write(ending)
        for row in edits.added:
            target.write(self._changed([""] * len(columns), row, columns, ending))

    def _records(self, file: TextIO) -> tuple[tuple[str, list[str]], Iterator[tuple[str, list[str]]]]:
        """Return the header (its text and names) and what yields each row's text and fields.

        Lines with nothing in them are no rows: they have no fields.
        """
        lines = _Lines(file)
        reader = csv.reader(iter(lines), **self._form)
        header: tuple[str, list[str]] = ("", [])
        if self._has_header:
            for fields in reader:
                text = "".join(lines.taken)
                lines.taken.clear()
                header = (header[0] + text, fields)
                if fields:
                    break
        return header, self._rows(lines, reader)

    @staticmethod
    def _rows(lines: _Lines, reader: Iterator[list[str]]) -> Iterator[tuple[str, list[str]]]:
        for fields in reader:
            text = "".join(lines.taken)
            lines.taken.clear()
            # A row of one empty cell is written as "", with quotes; blanks alone are no row.
            is_row = len(fields) > 1 or bool(fields and (fields[0].strip() or '"' in text))
            yield text, fields if is_row else []

    def _changed(
        self, fields: list[str], values: Mapping[str, Any], columns: Sequence[str], ending: str
    ) -> str:
        fields = fields + [""] * (len(columns) - len(fields))
        for name, value in values.items():
            if name not in columns:
                raise unknown_column(name, columns)
            fields[list(columns).index(name)] = as_text(value)
        made = io.StringIO()
        csv.writer(made, lineterminator=ending, **self._form).writerow(fields)
        return made.getvalue()


def as_text(value: Any) -> str:  # Any: a JSON value
    """Return a value as a cell of a CSV file holds it, so that pandas reads the same."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, str):
        if "\0" in value:
            raise InvalidParameter("A cell of a CSV file cannot hold a NUL character.")
        return value
    return orjson.dumps(value).decode() if isinstance(value, dict | list) else repr(value)
